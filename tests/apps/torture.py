"""Exercises all of PEP 3333 and stays within it, so that validators have nothing to say.

`validated`, `linted` and `werkzeug_lint` are the same application inside wsgiref.validate, webtest.lint and
werkzeug's LintMiddleware. CASES lists the requests worth sending; / answers with them as JSON.
"""

import hashlib
import io
import json
import sys
import tempfile
import warnings
from wsgiref.validate import validator

_TEXT = ("Content-Type", "text/plain; charset=utf-8")


def _index(environ, start_response):
    return _whole(start_response, json.dumps(CASES).encode())


def _whole(start_response, body, *headers):
    start_response("200 OK", [_TEXT, ("Content-Length", str(len(body))), *headers])
    return [body]


def _digest(pieces):
    body = b"".join(pieces)
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode()


def _length(environ):
    return int(environ.get("CONTENT_LENGTH") or 0)


def read_length(environ, start_response):
    return _whole(start_response, _digest([environ["wsgi.input"].read(_length(environ))]))


def read_pieces(environ, start_response):
    left, pieces = _length(environ), []
    while left > 0:
        piece = environ["wsgi.input"].read(min(left, 1000))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return _whole(start_response, _digest(pieces))


def read_beyond(environ, start_response):
    body = environ["wsgi.input"].read(_length(environ))
    if environ["wsgi.input"].read(1) != b"":
        raise AssertionError("read() went beyond the end of the body")
    return _whole(start_response, _digest([body]))


def readline(environ, start_response):
    return _whole(start_response, _digest(iter(lambda: environ["wsgi.input"].readline(), b"")))


def readline_size(environ, start_response):
    return _whole(start_response, _digest(iter(lambda: environ["wsgi.input"].readline(7), b"")))


def readlines(environ, start_response):
    return _whole(start_response, _digest(environ["wsgi.input"].readlines()))


def readlines_hint(environ, start_response):
    return _whole(start_response, _digest(environ["wsgi.input"].readlines(10_000_000)))


def iterate(environ, start_response):
    return _whole(start_response, _digest(list(environ["wsgi.input"])))


def unread(environ, start_response):
    return _whole(start_response, b"not interested\n")


def errors(environ, start_response):
    environ["wsgi.errors"].write("torture: written\n")
    environ["wsgi.errors"].writelines(["torture: one line\n", "torture: and another, caf\u00e9\n"])
    environ["wsgi.errors"].flush()
    return _whole(start_response, b"complained\n")


def environ_is_ours(environ, start_response):
    environ["torture.own"] = object()
    environ["PATH_INFO"] = "/changed"
    del environ["torture.own"]
    kinds = {key: type(environ[key]).__name__ for key in ("wsgi.version", "wsgi.url_scheme", "wsgi.multithread", "SERVER_NAME")}
    return _whole(start_response, json.dumps(kinds).encode())


def generator(environ, start_response):
    start_response("200 OK", [_TEXT])

    def pieces():
        for n in range(10):
            yield f"piece {n}\n".encode()

    return pieces()


def with_length(environ, start_response):
    start_response("200 OK", [_TEXT, ("Content-Length", "30")])
    return iter([b"0123456789"] * 3)


class _Closing:
    closed = 0

    def __init__(self, pieces):
        self._pieces = pieces

    def __iter__(self):
        return iter(self._pieces)

    def close(self):
        _Closing.closed += 1


def closing(environ, start_response):
    start_response("200 OK", [_TEXT])
    return _Closing([b"close ", b"me\n"])


def closed(environ, start_response):
    return _whole(start_response, b"closed\n" if _Closing.closed else b"never closed\n")


class _GetItem:
    """Iterable through the old sequence protocol."""

    def __init__(self, pieces):
        self._pieces = pieces

    def __getitem__(self, n):
        return self._pieces[n]


def sequence_protocol(environ, start_response):
    start_response("200 OK", [_TEXT])
    return _GetItem([b"by ", b"index\n"])


def empty_list(environ, start_response):
    start_response("200 OK", [_TEXT, ("Content-Length", "0")])
    return []


def empty_pieces(environ, start_response):
    start_response("200 OK", [_TEXT])
    return [b"", b"a", b"", b"b\n", b""]


def write(environ, start_response):
    send = start_response("200 OK", [_TEXT])
    send(b"written ")
    send(b"in pieces\n")
    return [b"and returned\n"]


def late(environ, start_response):
    def pieces():
        start_response("201 Created", [_TEXT, ("X-Late", "yes")])
        yield b"late\n"

    return pieces()


def restart(environ, start_response):
    start_response("200 OK", [_TEXT, ("X-First", "1")])
    try:
        raise ValueError("torture")
    except ValueError:
        start_response("500 Torture", [_TEXT, ("X-Second", "1")], sys.exc_info())
    return [b"restarted\n"]


def headers(environ, start_response):
    body = b"headers\n"
    return _whole(
        start_response,
        body,
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2; Path=/"),
        ("X-Latin", "caf\u00e9"),
        ("X-Empty", ""),
        ("X-Long", "x" * 4000),
    )


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"torture"')])
    return []


def teapot(environ, start_response):
    start_response("418 I'm a teapot, caf\u00e9", [_TEXT, ("Content-Length", "7")])
    return [b"teapot\n"]


def file(environ, start_response):
    made = tempfile.TemporaryFile()  # noqa: SIM115 - the wrapper closes it
    made.write(bytes(n % 251 for n in range(100_000)))
    made.seek(100)
    start_response("200 OK", [_TEXT, ("Content-Length", "99900")])
    return environ["wsgi.file_wrapper"](made, 4096)


def file_like(environ, start_response):
    start_response("200 OK", [_TEXT, ("Content-Length", "50000")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"file-like\n" * 5000))


def large(environ, start_response):
    start_response("200 OK", [_TEXT])
    return (bytes([n % 251]) * 65536 for n in range(64))


def path(environ, start_response):
    return _whole(
        start_response,
        (environ["SCRIPT_NAME"] + environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]).encode("latin-1"),
    )


VIEWS = {
    "": _index,
    "read-length": read_length,
    "read-pieces": read_pieces,
    "read-beyond": read_beyond,
    "readline": readline,
    "readline-size": readline_size,
    "readlines": readlines,
    "readlines-hint": readlines_hint,
    "iterate": iterate,
    "unread": unread,
    "errors": errors,
    "environ": environ_is_ours,
    "generator": generator,
    "with-length": with_length,
    "closing": closing,
    "closed": closed,
    "sequence-protocol": sequence_protocol,
    "empty-list": empty_list,
    "empty-pieces": empty_pieces,
    "write": write,
    "late": late,
    "restart": restart,
    "headers": headers,
    "no-content": no_content,
    "not-modified": not_modified,
    "teapot": teapot,
    "file": file,
    "file-like": file_like,
    "large": large,
    "path": path,
}

_READERS = (
    "read-length",
    "read-pieces",
    "read-beyond",
    "readline",
    "readline-size",
    "readlines",
    "readlines-hint",
    "iterate",
    "unread",
)

#: Method, path and size of the body of each request worth sending, in order.
CASES = [
    *(["POST", f"/{name}", size] for name in _READERS for size in (0, 1, 1000, 70_000, 300_000)),
    *(["GET", f"/{name}", 0] for name in VIEWS if name and name not in _READERS),
    *(["HEAD", f"/{name}", 0] for name in ("closing", "closed", "with-length", "file", "headers", "no-content", "not-modified")),
    ["GET", "/path/a%20b/caf%C3%A9//x?q=%20&r", 0],
    ["OPTIONS", "/path", 0],
    ["DELETE", "/path/x", 0],
    ["PATCH", "/read-length", 10],
]


def app(environ, start_response):
    view = VIEWS.get(environ["PATH_INFO"].split("/")[1] if environ["PATH_INFO"] else "")
    if view is None:
        start_response("404 Not Found", [_TEXT, ("Content-Length", "8")])
        return [b"nowhere\n"]
    return view(environ, start_response)


application = app
validated = validator(app)


def linted(environ, start_response):
    from webtest.lint import middleware

    return middleware(app)(environ, start_response)


def werkzeug_lint(environ, start_response):
    """Werkzeug complains by warnings; here they are failures."""
    from werkzeug.middleware.lint import LintMiddleware, WSGIWarning

    warnings.simplefilter("error", WSGIWarning)
    return LintMiddleware(app)(environ, start_response)
