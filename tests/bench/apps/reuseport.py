"""Runs bjoern or fastwsgi as several processes that share one port by SO_REUSEPORT.

Each of the two is one process with one thread, and the application runs in its event loop. The kernel deals new
connections out to the processes without looking at who is busy. Usage: reuseport.py SERVER PROCESSES PORT MODULE:CALLABLE
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def bjoern(application: Callable[..., Any], port: int) -> None:
    import bjoern

    bjoern.run(application, "127.0.0.1", port, reuse_port=True, listen_backlog=2048)


def fastwsgi(application: Callable[..., Any], port: int) -> None:
    import fastwsgi

    fastwsgi.server.backlog = 2048
    fastwsgi.run(application, "127.0.0.1", port)


def main(server: str, processes: int, port: int, target: str) -> None:
    serve = {"bjoern": bjoern, "fastwsgi": fastwsgi}[server]
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            sys.path.insert(0, str(Path.cwd()))
            module, _, name = target.partition(":")
            serve(getattr(importlib.import_module(module), name), port)
            os._exit(0)
        children.append(child)
    _, status = os.wait()  # a server that has lost a process is no longer the one to measure
    raise SystemExit(f"a process of {server} ended with {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
