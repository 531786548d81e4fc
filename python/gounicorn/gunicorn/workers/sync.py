"""gunicorn.workers.sync."""

from gunicorn.workers import base


class SyncWorker(base.Worker):
    """What `worker_class = "sync"` stands for."""

    kind = "sync"
