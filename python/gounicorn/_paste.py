"""Applications that a file of PasteDeploy describes (--paste), as Pyramid's do."""

from __future__ import annotations

import configparser
import os
from typing import TYPE_CHECKING, Any

from gounicorn import _cfg

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "paste:"  # of an app spec: paste:/path/to/file.ini#section
MISSING = "--paste needs the package PasteDeploy in the application's environment: pip install PasteDeploy"


class PasteError(Exception):
    """The file cannot be used. The text is for the user."""


def settings(location: str, directory: str) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that the file itself makes, below those of the config file, and warnings.

    location is what --paste says, relative to directory. As in gunicorn, [loggers] makes the file the logconfig, and
    [server:main] is not read.
    """
    path = os.path.join(directory, location.partition("#")[0])
    if not os.path.exists(path):
        message = f"{path!r} not found"
        raise PasteError(message)
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        message = f"{path}: {error}"
        raise PasteError(message) from None
    found = {"default_proc_name": path}
    if parser.has_section("loggers"):
        found["logconfig"] = path
    warnings = []
    if parser.get("server:main", "use", fallback="").startswith("egg:gunicorn"):
        names = ", ".join(name for name in parser.options("server:main") if name not in ("use", *parser.defaults()))
        if names:
            warnings.append(f"{path}: --paste does not read [server:main], as in gunicorn; set on the command line: {names}")
    return found, warnings


def load(spec: str) -> Callable[..., Any]:
    """Make the application that a spec names, with --paste-global as its variables. PasteError: PasteDeploy is missing."""
    try:
        from paste.deploy import loadapp
    except ImportError as error:
        if error.name and error.name.partition(".")[0] == "paste":
            raise PasteError(MISSING) from None
        raise
    uri = spec.removeprefix(PREFIX)
    return loadapp(f"config:{uri}", relative_to=os.getcwd(), global_conf=_cfg.Config().paste_global_conf)
