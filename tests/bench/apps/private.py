"""What a forked Python process costs by itself: imports the site, forks one child, and prints the child's private memory.

This is the yardstick for a server's worker: a child that has answered the same number of pages through a plain call of
the WSGI application, without any server. Usage: private.py MODULE:CALLABLE PATH REQUESTS; prints one JSON object.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def private_kb() -> int:
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith(("Private_Clean:", "Private_Dirty:")))


def call(application: Callable[..., Iterable[bytes]], path: str) -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        statuses.append(status)

    answer = application(environ, start_response)
    for _ in answer:
        pass
    close = getattr(answer, "close", None)
    if close is not None:
        close()
    if not statuses or not statuses[0].startswith("200"):
        raise SystemExit(f"{path} answered {statuses}")


def main(target: str, path: str, requests: int) -> None:
    sys.path.insert(0, str(Path.cwd()))
    module, _, name = target.partition(":")
    application = getattr(importlib.import_module(module), name)
    gc.collect()
    gc.freeze()
    child = os.fork()
    if child == 0:
        at_rest = private_kb()
        for _ in range(requests):
            call(application, path)
        print(json.dumps({"at_rest_kb": at_rest, "after_requests_kb": private_kb(), "requests": requests}), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    raise SystemExit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
