"""Peers that may be missing: they need a compiler, the distribution's headers or a newer Python. What fails is a reason in
the report, never the end of the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """Peer is one package of such a kind."""

    requirements: tuple[str, ...]
    program: str = ""  # what it installs into bin, when it is started by that
    python: tuple[int, int] = (3, 11)  # the oldest version its package accepts


PEERS = {
    "bjoern": Peer(("bjoern==3.2.2",)),
    "fastwsgi": Peer(("fastwsgi==0.0.9", "setuptools<81")),  # it imports pkg_resources
    "mod_wsgi": Peer(("mod_wsgi==6.1.1",), program="mod_wsgi-express"),
    "caddysnake": Peer(("caddysnake==0.6.4",), program="caddysnake", python=(3, 12)),
}


def install(names: Iterable[str], venv: Path) -> dict[str, str]:
    """Install the peers named, into the venv or one of their own beside it. Return the reason for each that failed."""
    missing = {}
    for name in names:
        if name in PEERS and (reason := _install(PEERS[name], venv_of(name, venv))):
            missing[name] = reason
    return missing


def venv_of(name: str, venv: Path) -> Path:
    """Where a peer is installed: beside the venv when it needs a newer Python than the one that runs the bench."""
    return venv if sys.version_info >= PEERS[name].python else venv.with_name(f"{venv.name}-{name}")


def installed(venv: Path) -> dict[str, str]:
    """Name and version of every peer that is there."""
    found = {}
    for name, peer in PEERS.items():
        if _stamp(peer, venv_of(name, venv)).exists():
            found[name] = peer.requirements[0].partition("==")[2]
    return found


def _stamp(peer: Peer, venv: Path) -> Path:
    return venv / f"bench-{peer.requirements[0]}"


def _install(peer: Peer, venv: Path) -> str:
    stamp = _stamp(peer, venv)
    if stamp.exists():
        return ""
    python = venv / "bin" / "python"
    if not python.exists():
        base = _python(peer.python)
        if base is None:
            return f"needs CPython {peer.python[0]}.{peer.python[1]} or later, and none was found"
        if reason := _run([base, "-m", "venv", str(venv)]):
            return reason
    print(f"installing {peer.requirements[0]} into {venv.name}", file=sys.stderr)
    if reason := _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]):
        return reason
    stamp.touch()
    return ""


def _python(oldest: tuple[int, int]) -> str | None:
    """An interpreter of this machine that is new enough, on the PATH or with pyenv; the oldest such is best supported."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in range(oldest[1], oldest[1] + 4):
        name = f"python{oldest[0]}.{minor}"
        candidates = [shutil.which(name), *map(str, sorted(root.glob(f"versions/{oldest[0]}.{minor}.*/bin/python")))]
        for candidate in candidates:
            if candidate and not _run([candidate, "-c", "import venv"]):
                return candidate
    return None


def _run(command: list[str]) -> str:
    """Run to the end; return what went wrong in one line, or nothing."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()] or lines or [f"exit code {done.returncode}"]
    return f"could not be installed: {telling[0][:160]}"
