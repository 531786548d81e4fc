"""The 14-byte application: what a server costs when the application costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

BODY = b"Hello, World!\n"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", list(HEADERS))
    return [BODY]
