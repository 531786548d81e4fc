"""The config file, evaluated as gunicorn does, once, in the zygote. Values go to the master, functions stay here."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import math
import os
import sys
import traceback
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MODULE = "__config__"  # the name under which gunicorn loads a file
EXIT_CONFIG = 1
OWN = ("gounicorn._", "importlib")  # modules whose frames are left out
HEADING = "Traceback (most recent call last):"
DEPTH = 50  # of nested values; gunicorn's settings need 5


class ConfigError(Exception):
    """The configuration cannot be used. The text is for the user; code is the exit code."""

    def __init__(self, text: str, code: int = EXIT_CONFIG) -> None:
        """Say what is wrong."""
        super().__init__(text)
        self.code = code


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads the source each time: the cache goes by whole seconds, and a reload may follow an edit within one."""

    def path_stats(self, path: str) -> dict[str, Any]:
        raise OSError(path)


@dataclass
class Config:
    """What a config file says."""

    path: str = ""  # absolute; of a module its file; empty: there is none
    values: dict[str, Any] = field(default_factory=dict)  # by setting, as Python objects
    hooks: dict[str, Callable[..., Any]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def call(self, name: str, *args: Any) -> None:
        """Call a hook, if there is one."""
        hook = self.hooks.get(name)
        if hook is not None:
            hook(*args)

    def document(self) -> dict[str, Any]:
        """Return the config document for the master."""
        values = {name: plain(value) for name, value in (self.values | self.hooks).items()}
        return {"path": self.path, "values": values, "unknown": self.unknown, "warnings": self.warnings}

    def objects(self, final: dict[str, Any]) -> dict[str, Any]:
        """Return the file's values that the master cannot carry, such as classes, unless final has others, from a flag say."""
        kept = {}
        for name, value in self.values.items():
            carried = plain(value)
            named = carried["$callable"] if isinstance(carried, dict) and "$callable" in carried else carried
            if _has_object(carried) and final.get(name) in (carried, named):
                kept[name] = value
        return kept


def _has_object(carried: Any) -> bool:
    """Tell whether the description of an object stands anywhere in a value made by plain."""
    if isinstance(carried, dict):
        return "$callable" in carried or any(map(_has_object, carried.values()))
    return isinstance(carried, list) and any(map(_has_object, carried))


def blame(name: str, error: BaseException) -> str:
    """Return what the log says of an exception in a hook."""
    return f"Exception in the hook {name}:\n{_traceback(error)}"


def evaluate(location: str, settings: Iterable[str], hooks: Iterable[str]) -> Config:
    """Run the config file and take the settings out of it.

    location is an absolute path, `python:MODULE`, or empty when there is none.
    """
    hooks = frozenset(hooks)
    settings = frozenset(settings) | hooks
    config = Config()
    namespace = _run(config, location) if location else {}
    for name, value in namespace.items():
        if name in hooks:
            config.hooks[name] = _hook(name, value)
        elif name in settings:
            config.values[name] = value
        elif _looks_meant(name, value):
            config.unknown.append(name)
    return config


def _run(config: Config, location: str) -> dict[str, Any]:
    if location.startswith("python:"):
        module = _import(location.removeprefix("python:"))
        config.path = os.path.abspath(getattr(module, "__file__", None) or "")
        return dict(vars(module))
    config.path = location
    if os.path.splitext(location)[1] not in (".py", ".pyc"):
        config.warnings.append(f"configuration file should have a valid Python extension: {location}")
    return dict(vars(_execute(location)))


def _import(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except SystemExit as error:
        raise _left(name, error) from None
    except Exception as error:
        message = f"Error: {error}\n{_traceback(error)}"
        raise ConfigError(message) from None


def _execute(path: str) -> types.ModuleType:
    loader = None if path.endswith(".pyc") else _Loader(MODULE, path)
    spec = importlib.util.spec_from_file_location(MODULE, path, loader=loader)
    if spec is None or spec.loader is None:
        message = f"Failed to read config file: {path}"
        raise ConfigError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        raise _left(path, error) from None
    except Exception as error:
        message = f"Failed to read config file: {path}\n{_traceback(error)}"
        raise ConfigError(message) from None
    return module


def _left(shown: str, error: SystemExit) -> ConfigError:
    """Return what a config file that calls sys.exit() makes of the start: its code, and its text if it gives one."""
    if isinstance(error.code, int):
        return ConfigError(f"{shown} called sys.exit({error.code}).", error.code & 0xFF or EXIT_CONFIG)
    return ConfigError(f"{shown} called sys.exit(): {error.code or 'no reason given'}")


def _traceback(error: BaseException) -> str:
    """Return a traceback without our own frames before the user's, which tell nobody anything."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(OWN):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    return text if frames is not None else f"{HEADING}\n{text}"


def _hook(name: str, value: Any) -> Callable[..., Any]:
    """Return the function of a hook, which may be given as "module.function"."""
    shown, problem = value, ""
    if isinstance(value, str):
        module_name, dot, attribute = value.rpartition(".")
        if not dot:
            problem = f"Value '{value}' is not import string. Format: module[.submodules...].object"
        else:
            try:
                value = getattr(importlib.import_module(module_name), attribute)
            except ImportError as error:
                problem = str(error)
            except AttributeError:
                problem = f"Can not load '{attribute}' from '{module_name}'"
    if not problem and not callable(value):
        problem = f"Value is not callable: {value}"
    if problem:
        message = f"Invalid value for {name}: {shown}\n\nError: {problem}"
        raise ConfigError(message)
    return value


def _looks_meant(name: str, value: Any) -> bool:
    """Tell whether a name of the file may be meant as a setting: data, or a function that the file defines."""
    if name.startswith("_"):
        return False
    if isinstance(value, types.FunctionType):
        return value.__module__ == MODULE
    return value is None or isinstance(value, str | bytes | int | float | list | tuple | set | frozenset | dict)


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON can carry it; the config document's description of what it cannot carry."""
    if value is None or isinstance(value, bool | str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, os.PathLike):
        return plain(os.fspath(value))
    if depth < DEPTH:
        if isinstance(value, dict):
            return {str(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((plain(item, depth + 1) for item in value), key=str)
    return {"$callable": _name(value), "arity": _arity(value)}


def _name(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', None) or MODULE}.{named.__qualname__}"


def _arity(value: Any) -> list[int | None]:
    """Return how many positional arguments a callable needs and takes; None: any number, or nobody knows."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return [0, None]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in positional)
    return [needed, None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)]
