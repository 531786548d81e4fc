"""Reads the body and answers 200; /raise and /late raise before and after the head, and /short breaks its Content-Length."""

import testsync


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("asked to")
    environ["wsgi.input"].read()
    text = " ".join([environ["REMOTE_ADDR"] or "nobody", environ["wsgi.url_scheme"], environ["SCRIPT_NAME"] or "-", path or "-"])
    body = text.encode("latin-1")
    if path == "/late":
        return late(start_response)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body) + 5 * (path == "/short")))])
    return [body]


def late(start_response):
    start_response("200 OK", [("Content-Length", "20")])
    yield b"half of it"
    testsync.wait("sent")
    raise ValueError("asked to")
