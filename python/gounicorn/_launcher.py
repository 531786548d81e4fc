"""The commands `gounicorn`, `gounicornc` and `python -m gounicorn`, and `gounicorn.run`: they hand over to the gounicorn program,
which then serves with this very interpreter.

The program takes the place of this process (same PID), so a service manager sees one process from the start.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PACKAGED = Path(__file__).resolve().parent / "_bin" / "gounicorn"


def find_program() -> str | None:
    """Return the gounicorn program: of this package, else the one on PATH that is not this very command."""
    if PACKAGED.is_file():
        return str(PACKAGED)
    found = shutil.which("gounicorn")
    if found is None or os.path.realpath(found) == os.path.realpath(sys.argv[0]):
        return None
    return found


def environment() -> dict[str, str]:
    """Return the environment that tells gounicorn which interpreter to use, and with which options."""
    return {
        **os.environ,
        "GOUNICORN_PYTHON": sys.executable,  # symbolic links kept: a virtual environment is found beside it
        "GOUNICORN_PYTHON_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
        "GOUNICORN_PYTHON_OPTIONS": "\n".join(subprocess._args_from_interpreter_flags()),
    }


def become(name: str, args: Sequence[str], variables: Mapping[str, str] | None = None) -> NoReturn:
    """Become the program under a name, with arguments and further environment variables."""
    program = find_program()
    if program is None:
        fix = "install the package again, or build it with 'make build' and put bin/ on PATH"
        print(f"gounicorn: the gounicorn program is neither in this package nor on PATH: {fix}.", file=sys.stderr)
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execve(program, [name, *args], {**environment(), **(variables or {})})


def main() -> NoReturn:
    """Become gounicorn."""
    become("gounicorn", sys.argv[1:])


def control() -> NoReturn:
    """Become gounicornc, the client of the control socket: the program looks at the name under which it was called."""
    become("gounicornc", sys.argv[1:])


def run(app: str | Callable[..., Any], /, **settings: Any) -> NoReturn:
    """Serve an application from a script, in place of this process. It does not return.

    app is an app spec ("shop.wsgi:application") or a callable that stands in a module or in the script itself. settings are
    those of a config file, by name: run(app, bind=":8000", workers=4). The environment variables GUNICORN_CMD_ARGS and
    GOUNICORN_CMD_ARGS and a config file win over them. Hooks, being functions, belong into a config file. Call it under
    `if __name__ == "__main__"`: the workers import the script.

    Raises TypeError for a setting whose value cannot be passed on, ValueError for an application that no module has a name for.
    """
    variables = {f"GOUNICORN_{name.upper()}": text(name, value) for name, value in settings.items() if value is not None}
    spec, folder = (app, None) if isinstance(app, str) else spec_of(app)
    if folder is not None:
        given = variables.get("GOUNICORN_PYTHONPATH")
        variables["GOUNICORN_PYTHONPATH"] = f"{folder},{given}" if given else folder
    become("gounicorn", [spec], variables)


def text(name: str, value: Any) -> str:
    """Return a setting's value as its environment variable has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float, os.PathLike)):
        return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return shlex.join(value)
    message = f"run() cannot pass on {name}={value!r}: write it into a gounicorn.conf.py"
    raise TypeError(message)


def spec_of(app: Callable[..., Any]) -> tuple[str, str | None]:
    """Return the app spec of a callable that a module has a name for, and the folder of the script, if that is the module."""
    for module_name in dict.fromkeys(
        ["__main__", getattr(app, "__module__", "__main__"), getattr(app, "import_name", "__main__")]
    ):
        module = sys.modules.get(module_name)
        name = next((name for name, value in vars(module).items() if value is app), None) if module else None
        if name is None:
            continue
        if module_name != "__main__":
            return f"{module_name}:{name}", None
        if module.__spec__ is not None:  # python -m package.module
            return f"{module.__spec__.name}:{name}", None
        path = Path(module.__file__).resolve() if getattr(module, "__file__", None) else None
        if path is not None and path.stem.isidentifier():
            return f"{path.stem}:{name}", str(path.parent)
    message = (
        f"run() finds no module with a name for {app!r}: name the application as 'module:name', or give it a name in the script"
    )
    raise ValueError(message)
