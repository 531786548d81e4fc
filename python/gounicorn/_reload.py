"""--reload, the side of Python: which files an application is made of, and the page in its place while it does not load.

The master watches the files that workers name and begins a new generation when one changes; nothing here reloads anything.
What belongs to a worker is imported where it is needed, as the loader of applications is also used outside of one.
"""

from __future__ import annotations

import contextlib
import html
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LOOK_EVERY = 1.0  # seconds between looks for modules that were imported since
MORE = 1  # aux of FILES: another packet follows

enabled = False
_failed: BaseException | None = None  # why the application did not load


def enable() -> None:
    """Switch it on, in the zygote: the workers inherit it."""
    global enabled
    enabled = True


def failed(error: BaseException, text: str) -> Callable[..., Any]:
    """Note that the application did not load, and return one that says so; text is the reason and the traceback."""
    global _failed
    import _gounicorn_process as process

    from gounicorn import _journal

    _failed = error
    _journal.write(process.ERROR, text)
    return _page(text)


def _page(text: str) -> Callable[..., Any]:
    """Return the application that answers every request with the traceback."""
    title, _, rest = text.partition("\n")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if "text/html" in environ.get("HTTP_ACCEPT", ""):
            kind, body = "text/html", PAGE.format(title=html.escape(title), text=html.escape(rest))
        else:
            kind, body = "text/plain", text
        data = body.encode("utf-8", "backslashreplace")
        headers = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(data))), ("Cache-Control", "no-store")]
        start_response("500 Internal Server Error", headers)
        return [data]

    return application


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}}
pre{{background:#f4f4f4;color:#222;padding:1rem;overflow:auto;border-left:4px solid #c00}}</style></head>
<body><h1>{title}</h1><pre>{text}</pre>
<p>It is tried again as soon as a file changes; then ask for this page again.</p></body></html>
"""


def watch() -> None:
    """Name the files to the master, before it hears that this worker is ready; later those that were imported since."""
    if enabled:
        told: set[str] = set()
        _tell(told)
        threading.Thread(target=_go_on, args=(told,), name="gounicorn-reload", daemon=True).start()


def _go_on(told: set[str]) -> None:
    modules = 0  # the first look repeats that of watch, for what an import under way adds
    while True:
        time.sleep(LOOK_EVERY)
        if len(sys.modules) != modules:
            modules = len(sys.modules)
            _tell(told)


def _tell(told: set[str]) -> None:
    with contextlib.suppress(Exception):  # the application may have put anything into sys.modules
        new = set(_files()) - told
        if new:
            _send(sorted(new))
            told |= new


def _files() -> Iterator[str]:
    """Yield the absolute names of all files that matter, and of folders of templates with a slash at the end."""
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if isinstance(name, str) and os.path.isabs(name):
            yield name.removesuffix("c") if name.endswith(".pyc") else name
    yield from _of_error()
    for folder in _templates():
        yield os.path.join(os.path.abspath(folder), "")


def _of_error() -> Iterator[str]:
    """Yield the files of the traceback: the one with the mistake has left no module behind."""
    error = _failed
    if error is None:
        return
    folders = {os.path.abspath(path) for path in ("", *sys.path)}  # a module that is missing may come here
    while error is not None:
        names = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename:
            names.append(os.path.abspath(error.filename))
        for name in filter(os.path.isabs, names):
            yield name
            folders.add(os.path.dirname(name))
        error = error.__cause__ or error.__context__
    installed = {sys.prefix, sys.base_prefix}
    for folder in folders:
        if os.path.isdir(folder) and not any(folder.startswith(f"{prefix}/lib") for prefix in installed):
            yield os.path.join(folder, "*.py")
            yield os.path.join(folder, "*", "__init__.py")


def _templates() -> Iterable[str]:
    """Return the folders that the template engines of Django and Flask read."""
    engines = sys.modules.get("django.template")
    if engines is not None:
        with contextlib.suppress(Exception):  # without settings there are none
            for engine in engines.engines.all():
                yield from map(str, engine.template_dirs)
    flask = sys.modules.get("flask")
    if flask is not None:
        for module in list(sys.modules.values()):
            for value in list(vars(module).values()) if hasattr(module, "__dict__") else ():
                if isinstance(value, flask.Flask) and value.template_folder:
                    yield os.path.join(value.root_path, value.template_folder)


def _send(names: list[str]) -> None:
    """Send FILES packets: names separated by NUL, as many as one holds."""
    import _gounicorn_process as process

    from gounicorn import _journal

    room = process.MAX_PACKET - _journal.HEADER.size
    packets: list[bytes] = [b""]
    for name in map(os.fsencode, names):
        if len(packets[-1]) + len(name) + 1 > room:
            packets.append(b"")
        packets[-1] += name[: room - 1] + b"\0"
    for index, payload in enumerate(packets):
        more = MORE if index + 1 < len(packets) else 0
        _journal.send(process.FILES, more, payload)
