# A preloaded application whose connections must not cross the fork.
import sqlite3

import spy

bind = "127.0.0.1:0"
workers = 2
preload_app = True
pool = {}


def on_starting(server):
    pool["master"] = sqlite3.connect(":memory:")


def post_fork(server, worker):
    pool.clear()
    pool["worker"] = sqlite3.connect(":memory:")


def post_worker_init(worker):
    spy.say("pool", sorted(pool))


def worker_exit(server, worker):
    pool.pop("worker").close()
    spy.say("closed")
