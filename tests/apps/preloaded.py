"""Shows in which process the module was imported, and shares a block of memory with its children."""

import os
import sys
import threading

import testsync

testsync.mark("imports")
IMPORTED_IN = os.getpid()
BLOCK = [str(n) * 10 for n in range(200_000)]


def app(environ, start_response):
    if environ["PATH_INFO"] == "/touch":
        len(BLOCK)
    body = f"{IMPORTED_IN} {os.getpid()} {os.getppid()} {threading.active_count()} {sys.argv!r}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
