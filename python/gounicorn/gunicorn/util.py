"""gunicorn.util, as far as configuration files and applications use it."""

from __future__ import annotations

import email.utils
import fcntl
import importlib
import inspect
import os
import sys
import urllib.parse
from typing import Any

from gounicorn._apploader import load as import_app
from gounicorn._cfg import parse_address
from gounicorn._names import absent

hop_headers = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "server",
        "date",
    ),
)

MASTER = "the master does this: use the settings user, group, initgroups, daemon and proc_name."

daemonize = absent("gunicorn.util.daemonize", MASTER)
set_owner_process = absent("gunicorn.util.set_owner_process", MASTER)
_setproctitle = absent("gunicorn.util._setproctitle", MASTER)


def load_class(uri: str | type, default: str = "gunicorn.workers.sync.SyncWorker", section: str = "gunicorn.workers") -> type:
    """Return the class that is meant by itself, by "package.module.Class" or by "egg:distribution#name"."""
    if inspect.isclass(uri):
        return uri
    if uri.startswith("egg:"):
        return load_entry_point(uri, default, section)
    module, _, name = uri.rpartition(".")
    if not module:
        message = f"class uri {uri!r} invalid or not found: name it as package.module.Class"
        raise RuntimeError(message)
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        message = f"class uri {uri!r} invalid or not found: {module} has no {name}"
        raise RuntimeError(message) from error


def load_entry_point(uri: str, default: str, section: str) -> type:
    """Return what a distribution registers under "egg:distribution#name"; "egg:gunicorn#..." is a class of this package."""
    from importlib import metadata

    distribution, _, name = uri.removeprefix("egg:").partition("#")
    if distribution == "gunicorn":
        return load_class(default)
    try:
        points = metadata.distribution(distribution).entry_points
    except metadata.PackageNotFoundError:
        message = f"class uri {uri!r} invalid or not found: the distribution {distribution} is not installed"
        raise RuntimeError(message) from None
    for point in points:
        if point.group == section and point.name == (name or "main"):
            return point.load()
    message = f"class uri {uri!r} invalid or not found: {distribution} registers no {name or 'main'!r} under {section}"
    raise RuntimeError(message)


def get_arity(function: Any) -> int:
    """Return how many arguments may be given by position; -1: any number."""
    kinds = inspect.Parameter
    positional = (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return -1 if any(p.kind == kinds.VAR_POSITIONAL for p in parameters) else sum(p.kind in positional for p in parameters)


def is_hoppish(header: str) -> bool:
    """Tell whether a header of a response is the server's to set."""
    return header.lower().strip() in hop_headers


def http_date(timestamp: float | None = None) -> str:
    """Return a time for the header Date."""
    return email.utils.formatdate(timestamp, localtime=False, usegmt=True)


def to_bytestring(value: str | bytes, encoding: str = "utf8") -> bytes:
    """Return bytes as they are and text encoded."""
    return value if isinstance(value, bytes) else value.encode(encoding)


def bytes_to_str(value: str | bytes) -> str:
    """Return text as it is and bytes decoded as latin-1."""
    return value if isinstance(value, str) else str(value, "latin1")


def unquote_to_wsgi_str(text: str) -> str:
    """Return a path with its percent escapes decoded, as PATH_INFO has it."""
    return urllib.parse.unquote_to_bytes(text).decode("latin-1")


def getcwd() -> str:
    """Return the current directory, by the name that the shell used."""
    try:
        named, real = os.stat(os.environ["PWD"]), os.stat(os.getcwd())
    except (KeyError, OSError):
        return os.getcwd()
    return os.environ["PWD"] if (named.st_ino, named.st_dev) == (real.st_ino, real.st_dev) else os.getcwd()


def close_on_exec(fd: int) -> None:
    """Keep a descriptor from programs that are started."""
    os.set_inheritable(fd, False)


def set_non_blocking(fd: int) -> None:
    """Make reading and writing a descriptor return at once."""
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def has_fileno(thing: Any) -> bool:
    """Tell whether something is an open file of the system."""
    try:
        thing.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True


def is_ipv6(address: str) -> bool:
    """Tell whether a text is an IPv6 address."""
    import ipaddress

    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False


def check_is_writable(path: str) -> None:
    """Raise RuntimeError when a log file cannot be written."""
    try:
        with open(path, "a", encoding="utf-8"):
            pass
    except OSError as error:
        message = f"Error: '{path}' isn't writable [{error!r}]"
        raise RuntimeError(message) from error


def warn(message: str) -> None:
    """Print a warning."""
    print(f"\nWARNING: {message}\n", file=sys.stderr, flush=True)


__all__ = ["import_app", "load_class", "parse_address"]
