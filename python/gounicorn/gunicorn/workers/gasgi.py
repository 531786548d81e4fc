"""gunicorn.workers.gasgi: a name to import. gounicorn has no such workers, and refuses the settings that ask for one."""

from gunicorn.workers import base


class ASGIWorker(base.Worker):
    """Nothing is an instance of it here."""

    kind = "asgi"
