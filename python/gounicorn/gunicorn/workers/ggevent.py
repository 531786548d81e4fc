"""gunicorn.workers.ggevent: a name to import. gounicorn has no such workers, and refuses the settings that ask for one."""

from gunicorn.workers import base


class GeventWorker(base.Worker):
    """Nothing is an instance of it here."""

    kind = "gevent"
