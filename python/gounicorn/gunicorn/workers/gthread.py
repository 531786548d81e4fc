"""gunicorn.workers.gthread."""

from gunicorn.workers import base


class ThreadWorker(base.Worker):
    """What `worker_class = "gthread"` stands for."""

    kind = "gthread"
