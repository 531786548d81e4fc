"""Every CPython of this machine that gounicorn can be installed for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = "import json, sys, sysconfig; print(json.dumps([sys.version_info[:2], sysconfig.get_config_var('SOABI'), sys.executable]))"


def interpreters() -> dict[str, str]:
    """Return the paths of the interpreters by their ABI: those on PATH and those of pyenv, from 3.11 on."""
    candidates = [sys.executable, *(shutil.which(f"python3.{minor}") for minor in range(11, 20))]
    if shutil.which("pyenv"):
        versions = Path(subprocess.check_output(["pyenv", "root"], text=True).strip()) / "versions"
        candidates += [str(path) for path in sorted(versions.glob("3.*/bin/python"))]
    found: dict[str, str] = {}
    for candidate in filter(None, candidates):
        asked = subprocess.run([candidate, "-c", ASK], capture_output=True, text=True, check=False)
        if asked.returncode:
            continue  # the shim of a version manager for a version that is not active
        version, abi, path = json.loads(asked.stdout)
        flags = subprocess.run([path, ROOT / "python" / "cgoflags.py", "--json"], capture_output=True, check=False)
        if tuple(version) >= (3, 11) and flags.returncode == 0:
            found.setdefault(abi, path)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for an interpreter once for each."""
    if "interpreter" in metafunc.fixturenames:
        found = interpreters()
        metafunc.parametrize("interpreter", found.values(), ids=found.keys(), scope="session")
