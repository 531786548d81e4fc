"""Answers with method, path, query and body in the form of package httpcases, and marks what it saw."""

import string

import testsync

_PLAIN = frozenset((string.ascii_letters + string.digits + "-._~/").encode())


def _visible(text):
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text) or "-"


def app(environ, start_response):
    parts = [environ[key].encode("latin-1") for key in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING")]
    seen = " ".join(map(_visible, [*parts, environ["wsgi.input"].read()]))
    if environ["PATH_INFO"] != "/canary":
        testsync.mark("saw", seen)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(seen)))])
    return [seen.encode("ascii")]
