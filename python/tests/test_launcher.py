"""`python -m gounicorn` hands the interpreter and its options to the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
PROGRAM = """#!/bin/sh
exec "$GOUNICORN_PYTHON" -c 'import json, os, sys; print(json.dumps([os.getpid(), dict(os.environ), sys.argv[1:]]))' "$@"
"""


def launch(tmp_path: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Run the launcher with a stand-in program on PATH."""
    program = tmp_path / "gounicorn"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, *options, "-m", "gounicorn", "-w", "3", "site:app"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=60)
    return process, out


def test_program_takes_the_place_of_the_launcher(tmp_path: Path) -> None:
    """The process is the same, the arguments too, and the interpreter is named with its options."""
    process, out = launch(tmp_path, "-Xdev", "-W", "error::UserWarning", "-B")
    pid, env, args = json.loads(out)
    assert pid == process.pid
    assert args == ["-w", "3", "site:app"]
    assert env["GOUNICORN_PYTHON"] == sys.executable
    assert env["GOUNICORN_PYTHON_VERSION"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert {"-B", "dev", "-Werror::UserWarning"} <= set(env["GOUNICORN_PYTHON_OPTIONS"].replace("-Xdev", "dev").split("\n"))


def test_missing_program_is_one_sentence(tmp_path: Path) -> None:
    """Without the program the exit code is 1 and the fix is named."""
    env = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run([sys.executable, "-m", "gounicorn"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "gounicorn program" in done.stderr
