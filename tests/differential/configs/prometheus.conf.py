# prometheus_client in multiprocess mode: the directory is emptied at the start, a dead worker's gauges are removed.
import os
import shutil

import spy

directory = os.path.join(os.getcwd(), "prometheus")
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", directory)

bind = "127.0.0.1:0"
workers = 1


def on_starting(server):
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)


def post_worker_init(worker):
    from prometheus_client import Counter, Gauge

    Gauge("workers_up", "Workers", multiprocess_mode="livesum").set(1)
    worker.requests = Counter("requests", "Requests", ["status"])


def post_request(worker, req, environ, resp):
    worker.requests.labels(resp.status.split()[0]).inc()


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
    spy.say("child_exit", sorted(name.split("_")[0] for name in os.listdir(directory)))
