"""What the bench needs on the machine: peers, tools, the demo site; made once, checked every time."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import peers

_BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = _BENCH.parent.parent
APPS = _BENCH / "apps"


class SetupError(Exception):
    """Something is missing that the bench cannot make by itself; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    """Environment is where everything is."""

    build: Path  # everything the bench writes
    venv: Path
    site: Path  # the demo site's directory
    gounicorn: Path
    wrk: Path | None
    nginx: Path | None
    load: Path
    missing: dict[str, str] = field(default_factory=dict)  # what a server needs and is not there: the reason

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """Environment variables of every server: the venv is active, nothing is written into the source tree."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER", "TZ") if name in os.environ}
        return kept | {
            "PATH": f"{self.venv / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(self.venv),
            "PYTHONPYCACHEPREFIX": str(self.build / "pycache"),
            "CONTRACTS_DB": str(self.build / "contracts.sqlite3"),
            "DEBUG": "0",
        }


def _run(command: Sequence[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shown = " ".join(str(word) for word in command)
        raise SetupError(f"{shown}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def prepare(build: Path, site: Path, *, needs: Collection[str], need_wrk: bool, need_site: bool) -> Environment:
    """Make what is missing and return where everything is. needs is what the servers to be started name as theirs."""
    need_nginx = "nginx" in needs
    build.mkdir(parents=True, exist_ok=True)
    gounicorn = REPOSITORY / "bin" / "gounicorn"
    if "gounicorn" in needs:  # what is measured is what the commit in the report says
        _run(["make", "--no-print-directory", "build"], cwd=REPOSITORY)
    wrk, nginx = _which("wrk"), _which("nginx")
    if (need_wrk and wrk is None) or (need_nginx and nginx is None):
        _run(["sh", REPOSITORY / "tests" / "packages.sh", "bench"], cwd=REPOSITORY)
        wrk, nginx = _which("wrk"), _which("nginx")
    venv = build.parent / "bench-venv"
    missing: dict[str, str] = {}
    environment = Environment(
        build=build,
        venv=venv,
        site=site,
        gounicorn=gounicorn,
        wrk=wrk,
        nginx=nginx,
        load=build / "load",
        missing=missing,
    )
    _make_venv(environment)
    missing.update(peers.install(needs, venv))
    missing.update(_unknown_flags(gounicorn, needs))
    _run(["go", "build", "-o", environment.load, "./tests/bench/load"], cwd=REPOSITORY, env={**os.environ, "CGO_ENABLED": "0"})
    if need_site:
        _make_site(environment)
    return environment


def _unknown_flags(gounicorn: Path, needs: Collection[str]) -> dict[str, str]:
    flags = [need for need in needs if need.startswith("--")]
    if not flags:
        return {}
    known = _run([gounicorn, "--help"])
    return {flag: f"this gounicorn has no {flag}" for flag in flags if f"{flag} " not in known}


def _which(name: str) -> Path | None:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return Path(found) if found else None


def _make_venv(environment: Environment) -> None:
    requirements = _BENCH / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = environment.venv / "bench-requirements.sha256"
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    print(f"installing {requirements.relative_to(REPOSITORY)} into {environment.venv.name}", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", environment.venv])
    _run([environment.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])
    stamp.write_text(wanted, encoding="ascii")


def _make_site(environment: Environment) -> None:
    manage = environment.site / "manage.py"
    if not manage.exists():
        raise SetupError(f"the demo site is missing: {manage}")
    for verb in ("migrate", "fill"):
        _run([environment.python, manage, verb], cwd=environment.site, env=environment.variables())


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_kb = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} x {model}",
        "memory": f"{memory_kb / 1024 / 1024:.1f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def versions(environment: Environment) -> dict[str, str]:
    """The version of everything that takes part."""
    found = {}
    for line in _run([environment.python, "-m", "pip", "freeze", "--disable-pip-version-check"]).splitlines():
        name, _, version = line.partition("==")
        if name.lower() in ("gunicorn", "granian", "uwsgi", "django", "reportlab", "whitenoise"):
            found[name] = version
    found |= peers.installed(environment.venv)
    if os.access(environment.gounicorn, os.X_OK):
        done = subprocess.run([environment.gounicorn, "--version"], capture_output=True, text=True, check=False)
        found["gounicorn"] = (done.stdout.split() or ["unknown"])[-1].strip("()")
    if environment.nginx is not None:
        done = subprocess.run([environment.nginx, "-v"], capture_output=True, text=True, check=True)
        found["nginx"] = done.stderr.strip().rpartition("/")[2]
    if environment.wrk is not None:
        done = subprocess.run([environment.wrk, "-v"], capture_output=True, text=True, check=False)
        found["wrk"] = (done.stdout + done.stderr).split()[1]
    found["go"] = _run(["go", "env", "GOVERSION"]).strip()
    found["commit"] = _run(["git", "describe", "--always", "--dirty"], cwd=REPOSITORY).strip()
    return found
