# A worker that is stuck writes down where, before it is killed.
import sys
import traceback

import spy

bind = "127.0.0.1:0"
workers = 1
timeout = 60


def worker_abort(worker):
    for frame in sys._current_frames().values():
        worker.log.warning("".join(traceback.format_stack(frame)))
    spy.say("worker_abort")


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")
    spy.say("worker_int")


def pre_exec(server):
    server.log.info("Forked child, re-executing.")


def nworkers_changed(server, new_value, old_value):
    spy.say("nworkers", new_value, old_value)


def on_exit(server):
    spy.say("on_exit")
