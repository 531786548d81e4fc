"""Finding the WSGI application that an app spec names.

A spec is one of:

- `module`: the name `application` in the module;
- `module:name`: a name, or a dotted path of attributes;
- `module:factory()`: what the factory returns; arguments must be literals, as in `factory("prod", debug=False)`;
- `paste:/path/to/file.ini#section`: what a file of PasteDeploy describes, see _paste.py.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from gounicorn import _paste, _reload, _routes

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_BOOT = 3  # the application failed to load
EXIT_APP = 4  # there is no such application, or it is no application

_OWN = {__name__, "importlib", "importlib._bootstrap", "importlib._bootstrap_external"}  # frames that tell a user nothing

_loaded: dict[str, Callable[..., Any]] = {}


class AppError(Exception):
    """The spec names no WSGI application."""


def load(spec: str) -> Callable[..., Any]:
    """Import the application, once a process; after a fork the parent's import counts."""
    if spec not in _loaded:
        try:
            _loaded[spec] = _load(spec)
        except (Exception, SystemExit) as error:  # settings that miss something may call sys.exit()
            if not _reload.enabled:
                raise
            _loaded[spec] = _reload.failed(error, explain(error)[1])
        _routes.watch()
    return _loaded[spec]


def _load(spec: str) -> Callable[..., Any]:
    if spec.startswith(f"{_paste.PREFIX}/"):
        try:
            return _paste.load(spec)
        except _paste.PasteError as error:
            raise AppError(str(error)) from None
    module_name, colon, expression = spec.partition(":")
    if not colon:
        expression = "application"
    names, call = _parse(expression)
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        if module_name.endswith(".py") and os.path.exists(module_name):
            hint = f"{module_name.removesuffix('.py').replace('/', '.')}:{expression}"
            message = f"Failed to find application, did you mean {hint!r}?"
            raise ImportError(message) from None
        raise
    found: Any = module
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            message = f"Failed to find attribute {'.'.join(names)!r} in {module_name!r}."
            raise AppError(message) from None
    if call is not None:
        found = _call(found, *call)
    if found is None:
        message = f"Failed to find application object: {expression!r}"
        raise AppError(message)
    if not callable(found):
        message = "Application object must be callable."
        raise AppError(message)
    return found


def _parse(expression: str) -> tuple[list[str], tuple[list[Any], dict[str, Any]] | None]:
    """Split into the attribute path and, for a factory, its arguments."""
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        raise _unparsable(expression) from None
    if not isinstance(node, ast.Call):
        return _attributes(node, expression), None
    if not isinstance(node.func, ast.Name):
        message = f"Function reference must be a simple name: {expression!r}"
        raise AppError(message)
    try:
        args = [ast.literal_eval(arg) for arg in node.args]
        kwargs = {_keyword(keyword): ast.literal_eval(keyword.value) for keyword in node.keywords}
    except (TypeError, ValueError):
        message = f"Failed to parse arguments as literal values: {expression!r}"
        raise AppError(message) from None
    return [node.func.id], (args, kwargs)


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        message = "a mapping is no literal argument"
        raise ValueError(message)
    return keyword.arg


def _attributes(node: ast.expr, expression: str) -> list[str]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise _unparsable(expression)
    return [node.id, *names]


def _unparsable(expression: str) -> AppError:
    return AppError(f"Failed to parse {expression!r} as an attribute name or function call.")


def _call(factory: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return factory(*args, **kwargs)
    except TypeError as error:
        frames = error.__traceback__
        if frames is not None and frames.tb_next is None:  # raised by the call itself: the arguments do not fit
            message = f"TypeError: {error}"
            raise AppError(message) from None
        raise


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code for a failed load, and the text for the log: a sentence, then the traceback if it helps."""
    if isinstance(error, AppError):
        return EXIT_APP, str(error)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in _OWN:
        frames = frames.tb_next
    shown = traceback.format_exception(type(error), error, frames)
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    return EXIT_BOOT, f"Failed to load the application: {last}\n{''.join(shown).rstrip()}"


def describe(error: BaseException) -> str:
    """Return an exception as a traceback."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def load_or_explain(spec: str) -> tuple[int, str]:
    """Load ahead of a fork; return (0, "") or what explain says."""
    try:
        load(spec)
    except BaseException as error:
        return explain(error)
    finally:
        sys.stdout.flush()
    return 0, ""
