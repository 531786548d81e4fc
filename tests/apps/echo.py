"""Answers with what the application saw: environ with its types, the body, the process and the thread.

/input/HOW[/SIZE] reads the body in the way named; any other path reads it whole. Every answer repeats the
nonce of the path, of the X-Nonce header and of the body, so that a client can tell whose answer it got.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time

import testsync


def _pieces(environ, how, size):
    """Reads wsgi.input in one of the ways PEP 3333 allows and returns the pieces."""
    stream = environ["wsgi.input"]
    if how == "read":
        return [stream.read()] if size is None else list(iter(lambda: stream.read(size), b""))
    if how == "read-minus-one":
        return [stream.read(-1)]
    if how == "read-length":
        return [stream.read(int(environ.get("CONTENT_LENGTH") or 0))]
    if how == "readline":
        return list(iter(stream.readline if size is None else lambda: stream.readline(size), b""))
    if how == "readlines":
        return stream.readlines() if size is None else list(iter(lambda: _joined(stream.readlines(size)), b""))
    if how == "iter":
        return list(stream)
    if how == "mixed":
        pieces = [stream.read(10), stream.readline(), stream.readline(5), stream.read(1), next(iter(stream), b"")]
        return [*pieces, *stream.readlines()]
    if how == "past-end":
        whole = stream.read()
        after = [stream.read(), stream.read(5), stream.readline(), *stream.readlines(), *list(stream)]
        if any(after):
            raise AssertionError(f"the stream went on after its end: {after!r}")
        return [whole]
    if how == "read-zero":
        if stream.read(0) != b"":
            raise AssertionError("read(0) returned something")
        return [stream.read()]
    if how == "nothing":
        return []
    raise LookupError(how)


def _joined(lines):
    return b"".join(lines)


def app(environ, start_response):
    path = environ.get("PATH_INFO", "")
    words = path.strip("/").split("/")
    how, size = "read", None
    if words[0] == "input":
        how = words[1]
        size = int(words[2]) if len(words) > 2 else None
    if words[0] == "gate":
        testsync.gate(words[1])
    elif words[0] == "late":
        time.sleep(float(words[1]))
    elif words[0] in ("started", "started-and-dies"):
        testsync.mark("started", words[1])
        if words[0] == "started-and-dies":
            os.kill(os.getpid(), signal.SIGKILL)
    pieces = _pieces(environ, how, size)
    body = b"".join(pieces)
    seen = {}
    for key, value in environ.items():
        shown = value if isinstance(value, (str, int, bool, type(None))) else repr(value)
        if isinstance(value, tuple):
            shown = list(value)
        seen[key] = {"type": type(value).__name__, "value": shown, "callable": callable(value)}
    answer = {
        "environ_type": f"{type(environ).__module__}.{type(environ).__name__}",
        "environ": seen,
        "keys_are_str": all(type(key) is str for key in environ),
        "how": how,
        "pieces": len(pieces),
        "longest": max((len(piece) for piece in pieces), default=0),
        "pieces_are_bytes": all(type(piece) is bytes for piece in pieces),
        "lines_end": all(piece.endswith(b"\n") for piece in pieces[:-1]) if how in ("readline", "readlines", "iter") else None,
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body[:200].decode("latin-1"),
        "nonce_path": path,
        "nonce_header": environ.get("HTTP_X_NONCE"),
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "thread": threading.current_thread().name,
        "thread_ident": threading.get_ident(),
        "main_thread": threading.current_thread() is threading.main_thread(),
        "native_main": threading.get_native_id() == os.getpid(),
        "modules": sorted(name for name in ("django", "echo") if name in sys.modules),
    }
    payload = json.dumps(answer).encode("ascii")
    start_response(
        "200 OK",
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(payload))),
            ("X-Nonce", environ.get("HTTP_X_NONCE", "none")),
        ],
    )
    return [payload]


application = app
