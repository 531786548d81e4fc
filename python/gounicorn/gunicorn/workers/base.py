"""gunicorn.workers.base."""

from __future__ import annotations

import signal
from typing import Any

from gounicorn import _objects
from gounicorn._names import absent

MESSAGE = (
    "use worker_class 'sync' or 'gthread' (the master keeps idle connections, so threads are for requests alone), and the hooks "
    "post_fork, post_worker_init and worker_exit for what a class of one's own adds."
)


class _Kind(type):
    """Makes the worker of this process an instance of the class that it stands for."""

    kind: str | None = None  # the worker_class; None: any

    def __instancecheck__(cls, found: object) -> bool:
        if super().__instancecheck__(found):
            return True
        if not isinstance(found, _objects.Worker):
            return False
        return cls.kind is None or cls.kind == found.cfg.worker_class_str


class Worker(metaclass=_Kind):
    """The base of gunicorn's worker classes; to be named, not to be made."""

    SIGNALS = tuple(
        getattr(signal, f"SIG{name}") for name in ("ABRT", "HUP", "QUIT", "INT", "TERM", "USR1", "USR2", "WINCH", "CHLD")
    )
    PIPE: tuple[int, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse."""
        absent("gunicorn.workers.base.Worker", MESSAGE)()
