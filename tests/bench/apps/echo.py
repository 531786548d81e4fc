"""Answers every request with its own nonce and body, so that an answer given to the wrong client shows.

The nonce comes three times, in the path, in a header and at the head of the body. If they differ inside one request, the
server mixed requests on the way in, and the answer says so with status 500.

BENCH_STARTED names a file to which one line is appended per request before anything else is done: "this request has
started". It outlives a worker that is killed in the next microsecond.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

_started: list[int] = []


def _mark(nonce: str) -> None:
    path = os.environ.get("BENCH_STARTED")
    if not path:
        return
    if not _started:
        _started.append(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    os.write(_started[0], f"{nonce}\n".encode("ascii"))


def _pieces(body: bytes) -> Iterator[bytes]:
    middle = len(body) // 2
    yield body[:middle]
    yield body[middle:]


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    nonce: str = environ["PATH_INFO"].rpartition("/")[2]
    if nonce == "ready":
        start_response("200 OK", [("Content-Length", "5")])
        return [b"ready"]
    _mark(nonce)

    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ.get("HTTP_X_NONCE") != nonce or (body and not body.startswith(nonce.encode("ascii"))):
        text = f"mixed: path {nonce} header {environ.get('HTTP_X_NONCE')} body {body[:40]!r}".encode()
        start_response("500 Mixed", [("Content-Length", str(len(text)))])
        return [text]

    pause = parse_qs(environ.get("QUERY_STRING", "")).get("ms")
    if pause:
        time.sleep(int(pause[0]) / 1000)

    body = body or nonce.encode("ascii")
    headers = [("Content-Type", "application/octet-stream"), ("X-Nonce", nonce)]
    if nonce[-1] in "0123":  # a quarter of the answers: no length known, several pieces
        start_response("200 OK", headers)
        return _pieces(body)
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]
