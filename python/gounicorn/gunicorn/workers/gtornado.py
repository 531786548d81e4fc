"""gunicorn.workers.gtornado: a name to import. gounicorn has no such workers, and refuses the settings that ask for one."""

from gunicorn.workers import base


class TornadoWorker(base.Worker):
    """Nothing is an instance of it here."""

    kind = "tornado"
