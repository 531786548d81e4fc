"""cfg: every setting as an attribute, as hooks, loggers and applications read it (gunicorn.config.Config)."""

from __future__ import annotations

import grp
import os
import pwd
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOGGER = "gunicorn.glogging.Logger"

# Hooks with the number of arguments that they take.
HOOKS = {
    "on_starting": 1,
    "on_reload": 1,
    "when_ready": 1,
    "pre_fork": 2,
    "post_fork": 2,
    "post_worker_init": 1,
    "worker_int": 1,
    "worker_abort": 1,
    "pre_exec": 1,
    "pre_request": 2,
    "post_request": 4,
    "child_exit": 2,
    "worker_exit": 2,
    "nworkers_changed": 3,
    "on_exit": 1,
    "ssl_context": 2,
    "on_dirty_starting": 1,
    "dirty_post_fork": 2,
    "dirty_worker_init": 1,
    "dirty_worker_exit": 2,
}


def _default_hook(name: str) -> Callable[..., Any]:
    if name == "pre_request":
        return lambda worker, req: worker.log.debug("%s %s", req.method, req.path)
    if name == "ssl_context":
        return lambda config, default_ssl_context_factory: default_ssl_context_factory()
    return lambda *args: None


DEFAULT_HOOKS = {name: _default_hook(name) for name in HOOKS}


class Setting:
    """One setting of a Config."""

    def __init__(self, name: str, value: Any) -> None:
        """Take name and value; the value at hand is the default."""
        self.name = name
        self.value = self.default = value

    def get(self) -> Any:
        """Return the value."""
        return self.value

    def set(self, value: Any) -> None:
        """Change the value of this Config, which no running server follows."""
        self.value = value

    def __repr__(self) -> str:
        """Show the setting in gunicorn's form."""
        return f"<{type(self).__module__}.{type(self).__name__} object with value {self.value!r}>"


class Config:
    """The settings, complete and checked when the master hands them over; changing them here changes nothing there."""

    settings: dict[str, Setting]

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        """Make one with the values of this server, or with those of DEFAULTS where no server is near."""
        self.settings = make_settings()
        self.usage = usage
        self.prog = prog or "gounicorn"
        self.env_orig = os.environ.copy()

    def __getattr__(self, name: str) -> Any:
        """Return a setting."""
        if name == "settings" or name not in self.settings:
            message = f"No configuration setting for: {name}"
            raise AttributeError(message)
        return self.settings[name].get()

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to set a setting like that."""
        if name != "settings" and name in self.settings:
            message = "Invalid access!"
            raise AttributeError(message)
        super().__setattr__(name, value)

    def __str__(self) -> str:
        """Return one line for each setting, in the order of names."""
        width = max(map(len, self.settings))
        return "\n".join(f"{name:{width}} = {_shown(self.settings[name].value)}" for name in sorted(self.settings))

    def set(self, name: str, value: Any) -> None:
        """Change a setting of this object."""
        if name not in self.settings:
            message = f"No configuration setting for: {name}"
            raise AttributeError(message)
        self.settings[name].set(value)

    @property
    def worker_class_str(self) -> str:
        """The worker's kind: sync becomes gthread with more than one thread."""
        kind = self.settings["worker_class"].get()
        if not isinstance(kind, str):
            return kind.__name__
        if kind == "sync" or kind.endswith("SyncWorker"):
            return "gthread" if self.threads > 1 else "sync"
        return kind

    @property
    def worker_class(self) -> type:
        """The class of gunicorn's name for the worker's kind."""
        from gunicorn.workers import gthread, sync

        return gthread.ThreadWorker if self.worker_class_str == "gthread" else sync.SyncWorker

    @property
    def logger_class(self) -> type:
        """The class of the logger, installed when it has an install()."""
        from gounicorn import _logging

        return _logging.load_class(self.settings["logger_class"].get(), statsd=bool(self.statsd_host))

    @property
    def address(self) -> list[Any]:
        """The addresses of bind, as sockets take them."""
        return [parse_address(text) for text in self.settings["bind"].get()]

    @property
    def uid(self) -> int:
        """The number of the user."""
        return self.settings["user"].get()

    @property
    def gid(self) -> int:
        """The number of the group."""
        return self.settings["group"].get()

    @property
    def proc_name(self) -> str:
        """The name of the processes."""
        return self.settings["proc_name"].get() or self.settings["default_proc_name"].get()

    @property
    def is_ssl(self) -> Any:
        """Whether the server speaks TLS."""
        return self.certfile or self.keyfile

    @property
    def env(self) -> dict[str, str]:
        """The variables of raw_env."""
        return dict(text.split("=", 1) for text in self.settings["raw_env"].get() or ())

    @property
    def paste_global_conf(self) -> dict[str, str] | None:
        """The pairs of raw_paste_global_conf; a backslash keeps a = from parting."""
        return paste_global(self.settings["raw_paste_global_conf"].get())

    @property
    def sendfile(self) -> bool:
        """Whether files are sent by the kernel, which the master decides."""
        return self.settings["sendfile"].get() is not False

    @property
    def reuse_port(self) -> bool:
        """Whether several servers may bind one port."""
        return self.settings["reuse_port"].get()


def paste_global(pairs: list[str] | None) -> dict[str, str] | None:
    """Read K=V, where \\= is no separator."""
    if pairs is None:
        return None
    found = {}
    for text in pairs:
        name, separator, value = _part(text)
        if not separator:
            message = f"environment setting {text!r} invalid"
            raise RuntimeError(message)
        found[name.replace("\\=", "=")] = value.replace("\\=", "=")
    return found


def _part(text: str) -> tuple[str, str, str]:
    at = re.search(r"(?<!\\)=", text)
    return (text, "", "") if at is None else (text[: at.start()], "=", text[at.end() :])


def _shown(value: Any) -> str:
    return f"<{value.__qualname__}()>" if callable(value) else str(value)


def parse_address(text: str, default_port: str = "8000") -> Any:
    """Return the path, the descriptor or the pair of host and port that an address names."""
    if text.startswith("unix:"):
        return re.sub(r"^unix:(//)?", "", text)
    if text.startswith("fd://"):
        return int(text.removeprefix("fd://"))
    text = text.removeprefix("tcp://")
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    port = port or default_port
    if not port.isdigit():
        message = f"{port!r} is not a valid port number."
        raise RuntimeError(message)
    return host.lower() if text else "0.0.0.0", int(port)


# What this process knows: the values that the master sent, then the defaults of the table.
_values: dict[str, Any] = {}


def use(values: Mapping[str, Any], objects: Mapping[str, Any] | None = None) -> Config:
    """Take the master's final values, and what the config file has of functions and classes; return them as cfg."""
    _values.clear()
    _values.update(values)
    _values["user"] = _number(values.get("user"), os.geteuid(), lambda name: pwd.getpwnam(name).pw_uid)
    _values["group"] = _number(values.get("group"), os.getegid(), lambda name: grp.getgrnam(name).gr_gid)
    _values["chdir"] = values.get("chdir") or os.getcwd()
    for name, function in DEFAULT_HOOKS.items():
        if not callable(_values.get(name)):
            _values[name] = function
    _values.update(objects or {})
    return Config()


def _number(value: Any, own: int, look_up: Callable[[str], int]) -> int:
    """Return the number of a user or group, which is a number or a name; nothing: our own."""
    if value in (None, ""):
        return own
    text = str(value)
    return int(text) if text.isdigit() else look_up(text)


def make_settings(ignore: Any = None) -> dict[str, Setting]:
    """Return every setting, but what is to be ignored."""
    return {name: Setting(name, value) for name, value in _values.items() if name not in (ignore or ())}
