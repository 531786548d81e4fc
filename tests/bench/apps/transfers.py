"""Takes large bodies and gives large answers: POST answers length and CRC-32 of what arrived, GET /stream/N gives N MB."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_PIECE = bytes(range(256)) * 256  # 64 KiB
MEGABYTE = 16 * len(_PIECE)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application."""
    if environ["REQUEST_METHOD"] == "POST":
        length = crc32 = 0
        while piece := environ["wsgi.input"].read(1 << 16):
            length, crc32 = length + len(piece), zlib.crc32(piece, crc32)
        body = json.dumps({"bytes": length, "crc32": crc32}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
    if environ["PATH_INFO"].startswith("/stream/"):
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return _pieces(int(environ["PATH_INFO"].rpartition("/")[2]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]


def _pieces(megabytes: int) -> Iterator[bytes]:
    for _ in range(16 * megabytes):
        yield _PIECE
