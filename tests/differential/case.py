"""What a case is: an application, a command line, an environment and files, and what is done to the running server."""

import dataclasses
from collections.abc import Callable

#: All process hooks, each writing down that it ran.
HOOKS = """
import spy

spy.say("config", __name__)


def on_starting(server):
    spy.say("on_starting")


def on_reload(server):
    spy.say("on_reload")


def when_ready(server):
    spy.say("when_ready")


def pre_fork(server, worker):
    spy.say("pre_fork", worker.pid)


def post_fork(server, worker):
    spy.say("post_fork")


def post_worker_init(worker):
    spy.say("post_worker_init")


def worker_int(worker):
    spy.say("worker_int")


def worker_abort(worker):
    spy.say("worker_abort")


def pre_exec(server):
    spy.say("pre_exec")


def pre_request(worker, req):
    spy.say("pre_request", req.method, req.path)


def post_request(worker, req, environ, resp):
    spy.say("post_request", req.method, environ["PATH_INFO"], resp.status)


def child_exit(server, worker):
    spy.say("child_exit")


def worker_exit(server, worker):
    spy.say("worker_exit")


def nworkers_changed(server, new_value, old_value):
    spy.say("nworkers_changed", new_value, old_value)


def on_exit(server):
    spy.say("on_exit")
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """One start of each server.

    args is split at white space; {dir} is the case's own folder, where both the servers start, {port} a free port. The
    application is part of args. env is added to a clean environment. play gets the running server; without it the command
    is expected to end by itself. keep names files, by patterns, whose text is compared at the end.
    """

    name: str
    args: str = "app:app"
    conf: str | None = None
    env: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)
    play: Callable | None = None
    keep: tuple = ()
    bind: bool = True  # adds -b 127.0.0.1:0
    bare: bool = False  # adds nothing at all to args
    statsd: bool = False  # {statsd} is the port of a UDP socket whose packets are compared
    udp: bool = False  # {udp} likewise, for syslog
    alone: bool = False  # gounicorn is started once more where gunicorn is not installed
    workers: int = 1  # that play waits for
    group: tuple = ()  # wire cases that are played one after another on one start
    modes: tuple = ()  # files whose modes are compared at the end


@dataclasses.dataclass(frozen=True)
class Wire:
    """One conversation with a running server: what is sent, as bytes, and how many answers are expected.

    end closes the client's side behind the bytes. only restricts the environ to some keys, by the query of /env.
    """

    name: str
    send: bytes | tuple
    answers: int = 1
    end: bool = False


def get(path="/", *headers, version="1.1", method="GET", body=b""):
    """The bytes of a request. headers are whole lines; Host and Connection: close are added to HTTP/1.1."""
    lines = [f"{method} {path} HTTP/{version}", *headers]
    if version == "1.1" and not any(h.lower().startswith("host:") for h in headers):
        lines.insert(1, "Host: example.org")
    if not any(h.lower().startswith("connection:") for h in headers):
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def env(keys, *headers, **more):
    """The bytes of a request for some keys of the environ."""
    return get("/env?only=" + keys, *headers, **more)
