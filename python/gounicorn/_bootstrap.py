"""First code of the zygote: makes this package importable from the boot document, then prepares the process as it says.

gp_zygote.c runs this file's text by exec, before any module of the package can be imported.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types
    from collections.abc import Sequence

Boot = dict[str, Any]


class EmbeddedFinder:
    """Finds and loads the modules of this package in a dict of sources, ahead of any installed copy."""

    def __init__(self, sources: dict[str, str]) -> None:
        """Serve the sources, keyed by path: "gounicorn/_worker.py"."""
        self._sources = sources

    def _path(self, name: str) -> str | None:
        base = name.replace(".", "/")
        return next((path for path in (f"{base}/__init__.py", f"{base}.py") if path in self._sources), None)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module; part of the protocol of sys.meta_path."""
        source = self._path(name)
        if source is None:
            return None
        is_package = source.endswith("__init__.py")
        return importlib.machinery.ModuleSpec(name, self, origin=source, is_package=is_package)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Take the default module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run a module's source."""
        path = self._path(module.__name__)
        if path is None:
            message = f"{module.__name__} is not part of gounicorn"
            raise ImportError(message, name=module.__name__)
        module.__file__ = path
        exec(compile(self._sources[path], path, "exec"), module.__dict__)

    def get_source(self, name: str) -> str | None:
        """Return a module's text; linecache asks for it, so tracebacks show our lines."""
        path = self._path(name)
        return None if path is None else self._sources[path]


def prepare(boot: Boot) -> None:
    """Set environment, directory and import path, in gunicorn's order."""
    os.environ.update(boot.get("env") or {})
    os.environ["SERVER_SOFTWARE"] = boot["server_software"]
    if boot.get("chdir"):
        os.chdir(boot["chdir"])
    current = os.getcwd()
    if current not in sys.path:
        sys.path.insert(0, current)
    for path in boot.get("pythonpath") or []:
        absolute = os.path.abspath(path)
        if absolute not in sys.path:
            sys.path.insert(0, absolute)
    sys.argv = list(boot["argv"])


def start(boot: Boot) -> None:
    """Prepare the zygote and run it. Returns only in a worker."""
    sys.meta_path.insert(0, EmbeddedFinder(boot["sources"]))
    from gounicorn import _names, _worker, _zygote

    _names.install(boot["sources"])

    _worker.start(boot, _zygote.run(boot, prepare))
