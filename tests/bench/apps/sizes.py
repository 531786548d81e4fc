"""Answers of three sizes, and a body that is read: what a profile for the compiler is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

HELLO = b"Hello, World!\n"
BIG = bytes(1 << 20)
ROWS = [{"id": i, "name": f"row {i}", "price": i * 1.5} for i in range(20)]


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        body = str(len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))).encode()
    else:
        body = {"/json": json.dumps(ROWS).encode(), "/big": BIG}.get(environ["PATH_INFO"], HELLO)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]
