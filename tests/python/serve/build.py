"""Compiles the C files of the serve loop as an ordinary extension module, with the flags of the running interpreter.

The real worker links the same files in as a built-in module. GOUNICORN_TEST_CFLAGS adds flags (sanitizers, coverage).
"""

import hashlib
import os
import subprocess
import sysconfig
from pathlib import Path

SOURCES = (
    "gp_environ.c",
    "gp_error.c",
    "gp_file_wrapper.c",
    "gp_frame.c",
    "gp_handle.c",
    "gp_hooks.c",
    "gp_input.c",
    "gp_interrupt.c",
    "gp_iterate.c",
    "gp_loan.c",
    "gp_module.c",
    "gp_pack.c",
    "gp_priority.c",
    "gp_route.c",
    "gp_serve.c",
    "gp_slot.c",
    "gp_socket.c",
    "gp_start_response.c",
    "gp_tray.c",
)


def build(directory: Path) -> Path:
    """Compiles into a folder of directory named after everything that matters, and returns that folder."""
    source = Path(__file__).resolve().parents[3] / "pyworker"
    paths = [source / name for name in SOURCES]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-g", "-fPIC", "-shared"]
    flags += os.environ.get("GOUNICORN_TEST_CFLAGS", "").split()
    for include in dict.fromkeys(sysconfig.get_paths()[k] for k in ("include", "platinclude")):
        flags += ["-isystem", include]
    digest = hashlib.sha256("\0".join([*flags, sysconfig.get_config_var("SOABI")]).encode())
    for path in [*paths, *sorted(source.glob("g*.h"))]:
        digest.update(path.read_bytes())
    folder = directory / digest.hexdigest()[:16]
    target = folder / "_gounicorn.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"part-{os.getpid()}.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, *flags, *map(str, paths), "-lpthread", "-o", str(part)], check=True)
        part.rename(target)
    return folder
