"""The names of the package gunicorn, for configuration files and applications that import it where it is not installed.

The modules are in gounicorn/gunicorn. Their finder is the last one that Python asks, so an installed gunicorn is preferred.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from gounicorn._bootstrap import EmbeddedFinder

if TYPE_CHECKING:
    import importlib.machinery
    import types
    from collections.abc import Callable, Sequence

FOLDER = "gounicorn/"


class NameFinder(EmbeddedFinder):
    """Finds gunicorn and what is in it; never a part of an installed one."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module; part of the protocol of sys.meta_path."""
        package, _, rest = name.partition(".")
        if rest and getattr(getattr(sys.modules.get(package), "__spec__", None), "loader", None) is not self:
            return None
        return super().find_spec(name, path, target)


def install(sources: dict[str, str]) -> None:
    """Provide the names from now on, out of the sources of this package."""
    prefix = f"{FOLDER}gunicorn/"
    names = {path.removeprefix(FOLDER): text for path, text in sources.items() if path.startswith(prefix)}
    sys.meta_path.append(NameFinder(names))


def absent(name: str, instead: str) -> Callable[..., NoReturn]:
    """Return a function that says why a name of gunicorn does nothing here, and what does it instead."""

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        message = f"{name} does not work in gounicorn: {instead}"
        raise RuntimeError(message)

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    return refuse
