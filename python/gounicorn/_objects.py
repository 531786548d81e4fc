"""What hooks are called with: the server, in the part of gunicorn's arbiter, and the worker.

Both are made in the zygote; a worker has the copies that it inherited at its fork. Attributes have gunicorn's names and meanings,
except that `Server.pid` and `Worker.ppid` are the master's, which is no process of Python and not the parent of the workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gounicorn import _apploader

if TYPE_CHECKING:
    from collections.abc import Callable

BOOTING = "[booting]"  # a worker's pid before the fork


class App:
    """Knows the application, as `server.app` and `worker.app`."""

    def __init__(self, spec: str, cfg: Any) -> None:
        """Name the application; it is imported when somebody asks for it."""
        self.app_uri = spec
        self.cfg = cfg
        self.callable: Callable[..., Any] | None = None

    def wsgi(self) -> Callable[..., Any]:
        """Return the WSGI callable, imported at the first call."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def load(self) -> Callable[..., Any]:
        """Import the application."""
        return _apploader.load(self.app_uri)


class Server:
    """The server as hooks see it, in the part of gunicorn's arbiter."""

    def __init__(self, boot: dict[str, Any]) -> None:
        """Know what the boot document says."""
        self.pid = int(boot["pid"])  # the master's
        self.cfg: Any = None
        self.log: Any = None
        self.app = App(boot["app"], self.cfg)
        self.address = [tuple(a) if isinstance(a, list) else a for a in boot.get("address") or []]  # (host, port) or a path
        self.proc_name = str(boot.get("proc_name") or boot["app"])
        self.timeout = boot.get("timeout", 0)
        self.num_workers = int(boot["workers"])
        self.worker_age = 0  # of the newest worker
        self.WORKERS: dict[int, Worker] = {}  # by pid
        self.LISTENERS: list[Any] = []  # the master has them
        self.master_name = "Master"
        self.master_pid = 0
        self.reexec_pid = 0
        self.systemd = False

    def hire(self) -> Worker:
        """Return the worker that is about to be forked."""
        self.worker_age += 1
        return Worker(self.worker_age, self.pid, self.LISTENERS, self.app, self.timeout / 2, self.cfg, self.log)


class Worker:
    """A worker as hooks see it."""

    def __init__(self, age: int, ppid: int, sockets: list[Any], app: App, timeout: float, cfg: Any, log: Any) -> None:
        """Make one that has not been forked. The arguments are gunicorn's."""
        self.age = age
        self.pid: int | str = BOOTING
        self.ppid = ppid
        self.sockets = sockets
        self.app = app
        self.timeout = timeout
        self.cfg = cfg
        self.log = log
        self.booted = False
        self.aborted = False
        self.alive = True
        self.nr = 0  # requests begun
        self.tmp: Any = None
        self.wsgi: Callable[..., Any] | None = None

    def __str__(self) -> str:
        """Name the worker by its pid."""
        return f"<Worker {self.pid}>"

    def notify(self) -> None:
        """Do nothing: the master sees by itself whether a request makes progress."""
