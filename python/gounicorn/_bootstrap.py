"""First code of the zygote: makes this package importable from the document of the first packet.

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


class EmbeddedFinder:
    """Finds and loads the modules of this package in a dict of sources, ahead of any installed copy.

    What is not among them, as gounicorn.django, comes from the installed copy.
    """

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
            if name.startswith("gounicorn.") and not path:
                return importlib.machinery.PathFinder.find_spec(name, [os.path.join(entry, "gounicorn") for entry in sys.path])
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


def start(task: dict[str, Any]) -> None:
    """Run the zygote with the document of CONFIGURE. Returns only in a worker."""
    sys.meta_path.insert(0, EmbeddedFinder(task["sources"]))
    from gounicorn import _names, _worker, _zygote

    _names.install(task["sources"])
    _worker.start(_zygote.run(task))
