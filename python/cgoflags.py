"""What a cgo build of the worker needs to know about the Python interpreter that runs this script.

    PYTHON python/cgoflags.py --cflags | --ldflags | --json
    PYTHON python/cgoflags.py go build -o bin/gounicorn-worker ./cmd/gounicorn-worker

With a command, runs it with the flags in its environment. Everything comes from the interpreter's own sysconfig: pkg-config may
know another Python than the one that is asked for, so it is switched off for the build (cpy3 would call it).
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

COMPAT = Path(__file__).resolve().parent.parent / "pyworker" / "cpy3_compat.h"
DEFAULT = "-O2 -g"  # the go command's own, which a variable replaces
SYSTEM_LIBRARIES = ("/usr/lib", "/lib")  # the loader looks here by itself


class NotBuildableError(Exception):
    """The interpreter lacks what a program that embeds it needs; the text says what to install."""


@dataclass
class Flags:
    """The flags for one interpreter, and what they were made from."""

    python: str
    version: str
    include: str
    libpython: str
    cflags: list[str]
    ldflags: list[str]


def _config(name: str) -> str:
    value = sysconfig.get_config_var(name)
    return "" if value is None else str(value)


def _short() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _advice(shared: bool) -> str:
    build = f"'PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force {sys.version.split()[0]}'"
    package = f"python{_short()}-dev" if not shared else f"libpython{_short()}-dev"
    return f"install the Debian package {package}, or, with pyenv, run {build}"


def include_dirs() -> list[str]:
    """Return the directories of Python.h and pyconfig.h."""
    dirs = [sysconfig.get_path("include"), sysconfig.get_path("platinclude"), _config("INCLUDEPY"), _config("CONFINCLUDEPY")]
    found = [d for d in dict.fromkeys(dirs) if d and Path(d).is_dir()]
    if not any((Path(d) / "Python.h").is_file() for d in found):
        message = f"Python.h of Python {_short()} ({sys.executable}) was not found in {dirs[0]}: {_advice(shared=False)}."
        raise NotBuildableError(message)
    return found


def library_dirs() -> list[Path]:
    """Return where libpython may be: where sysconfig says, then in the installation itself, should that have been moved."""
    dirs = [_config("LIBDIR"), _config("LIBPL"), str(Path(sys.base_prefix) / "lib")]
    if _config("LIBDIR") and _config("MULTIARCH"):
        dirs.append(str(Path(_config("LIBDIR")) / _config("MULTIARCH")))
    return [Path(d) for d in dict.fromkeys(dirs) if d]


def link() -> tuple[Path, list[str]]:
    """Return the library and the flags that link it: the shared one when there is one, else the static one as a whole."""
    shared, static = _config("LDLIBRARY"), _config("LIBRARY")
    if shared.endswith(".so"):
        for directory in library_dirs():
            if (directory / shared).is_file():
                name = shared.removeprefix("lib").removesuffix(".so")
                flags = [f"-L{directory}", f"-l{name}"]
                if not str(directory).startswith(SYSTEM_LIBRARIES):
                    flags.append(f"-Wl,-rpath,{directory}")
                return directory / shared, flags
    for directory in library_dirs():
        archive = directory / static
        if static.endswith(".a") and archive.is_file():
            # Extension modules take their symbols from the executable, which therefore holds and exports all of them. The go
            # command gives the flags once for each package with cgo; the first copy counts.
            flags = ["-Wl,--allow-multiple-definition", "-rdynamic"]
            flags += ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive"]
            return archive, flags + shlex.split(f"{_config('LIBS')} {_config('MODLIBS')} {_config('SYSLIBS')}")
    looked = ", ".join(str(d) for d in library_dirs())
    message = f"libpython of Python {_short()} ({sys.executable}) was not found in {looked}: {_advice(shared=True)}."
    raise NotBuildableError(message)


def flags() -> Flags:
    """Return the flags for this interpreter."""
    include = include_dirs()
    library, ldflags = link()
    python = os.path.realpath(
        getattr(sys, "_base_executable", None) or sys.executable
    )  # not that of an environment, which may go
    stamp = {"GP_BUILT_PYTHON": python, "GP_BUILT_INCLUDE": include[0], "GP_BUILT_LIBPYTHON": str(library)}
    cflags = [word for directory in include for word in ("-isystem", directory)]
    cflags += ["-include", str(compat()), "-Wno-deprecated-declarations"]
    cflags += [f'-D{name}="{value}"' for name, value in stamp.items()]
    return Flags(sys.executable, sys.version.split()[0], include[0], str(library), cflags, ldflags)


def compat() -> Path:
    """Return the header that is put in front of every C file: a copy in the user's cache, named by its content, if that can be.

    The go command keeps what it has compiled by the flags, not by what a header says: the copy makes an edit count, and lets
    checkouts and builds of a wheel share what is the same in all of them.
    """
    content = COMPAT.read_bytes()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "gounicorn"
    copy = folder / f"{COMPAT.stem}-{hashlib.sha256(content).hexdigest()[:16]}.h"
    try:
        if not copy.is_file() or copy.read_bytes() != content:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as new:
                new.write(content)
            Path(new.name).replace(copy)
    except (OSError, RuntimeError):  # no home, or none that may be written to
        return COMPAT
    return copy


def quote(words: list[str]) -> str:
    """Join words as the go command splits them: by spaces, with single or double quotes around a word, nothing escaped."""
    quoted = []
    for word in words:
        mark = next((q for q in "'\"" if q not in word), None)
        if mark is None:
            message = f"a path holds both kinds of quotes: {word}."
            raise NotBuildableError(message)
        quoted.append(f"{mark}{word}{mark}" if any(c in word for c in " \t'\"") else word)
    return " ".join(quoted)


def environment(found: Flags) -> dict[str, str]:
    """Return the variables of a build."""
    return {
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"{quote(found.cflags)} {os.environ.get('CGO_CFLAGS') or DEFAULT}",
        "CGO_LDFLAGS": f"{quote(found.ldflags)} {os.environ.get('CGO_LDFLAGS') or DEFAULT}",
        "PKG_CONFIG": "true",  # a command that prints nothing and succeeds
    }


def main(argv: list[str]) -> int:
    """Print what is asked for, or run a command."""
    if not argv or argv[0] in {"-h", "--help"}:
        print(__doc__)
        return 0 if argv else 2
    try:
        found = flags()
        if argv[0] == "--cflags":
            print(quote(found.cflags))
        elif argv[0] == "--ldflags":
            print(quote(found.ldflags))
        elif argv[0] == "--json":
            print(json.dumps(asdict(found), indent=2))
        elif argv[0].startswith("-"):
            print(f"cgoflags.py: unknown option {argv[0]}", file=sys.stderr)
            return 2
        else:
            os.environ.update(environment(found))
            os.execvp(argv[0], argv)
    except NotBuildableError as error:
        print(f"cgoflags.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cgoflags.py: {argv[0]}: {error.strerror}", file=sys.stderr)
        return 127
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
