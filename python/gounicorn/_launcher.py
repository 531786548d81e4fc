"""`python -m gounicorn`: hands over to the gounicorn program, which then serves with this very interpreter.

The program takes the place of this process (same PID), so a service manager sees one process from the start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGED = Path(__file__).resolve().parent / "_bin" / "gounicorn"


def find_program() -> str | None:
    """Return the gounicorn program: of this package, else the one on PATH."""
    if PACKAGED.is_file():
        return str(PACKAGED)
    return shutil.which("gounicorn")


def environment() -> dict[str, str]:
    """Return the environment that tells gounicorn which interpreter to use, and with which options."""
    return {
        **os.environ,
        "GOUNICORN_PYTHON": sys.executable,  # symbolic links kept: a virtual environment is found beside it
        "GOUNICORN_PYTHON_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
        "GOUNICORN_PYTHON_OPTIONS": "\n".join(subprocess._args_from_interpreter_flags()),
    }


def main() -> int:
    """Become gounicorn."""
    program = find_program()
    if program is None:
        message = "the gounicorn program is neither in this package nor on PATH: build it with 'make build' and put bin/ on PATH"
        print(f"gounicorn: {message}.", file=sys.stderr)
        return 1
    os.execve(program, ["gounicorn", *sys.argv[1:]], environment())
    return 1
