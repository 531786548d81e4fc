# A web server whose master is watched from outside: the titles of processes say what they are, workers say when they are ready.
import os

import spy

bind = "127.0.0.1:0"
workers = int(os.environ.get("WEB_WORKERS", "2"))
timeout = int(os.environ.get("WEB_WORKER_TIMEOUT", "120"))
accesslog = "-"
errorlog = "-"
preload_app = False
worker_class = "sync"


def post_worker_init(worker):
    spy.say("ready", "gunicorn: worker")


def on_starting(server):
    from importlib import import_module

    import_module("json")
    spy.say("on_starting", server.cfg.workers)


def worker_exit(server, worker):
    spy.say("worker_exit", worker.age)
