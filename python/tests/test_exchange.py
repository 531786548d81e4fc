"""The request and the response that hooks and loggers get, beside gunicorn's own."""

from __future__ import annotations

import io
from datetime import timedelta
from types import SimpleNamespace

import gunicorn.config
import pytest
from gounicorn import _exchange
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import Response as TheirResponse

ENVIRON = {
    "REQUEST_METHOD": "POST",
    "RAW_URI": "/a%20b?x=1#frag",
    "PATH_INFO": "/a b",
    "QUERY_STRING": "x=1",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(b"abc"),
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "4000",
    "HTTP_HOST": "localhost",
    "HTTP_X_TWO_WORDS": "v",
    "CONTENT_TYPE": "text/plain",
    "CONTENT_LENGTH": "3",
}
WIRE = b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Two-Words: v\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc"


def theirs(uri: str = "/a%20b?x=1#frag"):
    return next(RequestParser(gunicorn.config.Config(), iter([WIRE % uri.encode()]), ("127.0.0.1", 4000)))


@pytest.mark.parametrize("uri", ["/a%20b?x=1#frag", "/", "//double//x?y", "http://host/path?q", "*", "/a:b"])
def test_a_request_is_gunicorns(uri):
    ours, real = _exchange.Request({**ENVIRON, "RAW_URI": uri}), theirs("/" if uri == "*" else uri)
    names = ["method", "version", "headers", "trailers", "scheme", "remote_addr", "peer_addr"]
    if uri != "*":
        names += ["uri", "path", "query", "fragment"]
    for name in names:
        assert getattr(ours, name) == getattr(real, name), name
    assert ours.should_close() is real.should_close()
    assert ours.body.read() in (b"abc", b"")


def test_over_a_unix_socket_there_is_no_address():
    assert _exchange.Request({**ENVIRON, "REMOTE_ADDR": "", "REMOTE_PORT": ""}).remote_addr == ""


def test_what_a_proxy_said_is_there():
    pairs = {"PROXY_PROTOCOL": "TCP4", "PROXY_ADDR": "10.0.0.9", "PROXY_PORT": "80"}
    info = _exchange.Request(ENVIRON | pairs).proxy_protocol_info
    assert info is not None and (info["client_addr"], info["proxy_addr"]) == ("127.0.0.1", "10.0.0.9")
    assert _exchange.Request(ENVIRON).proxy_protocol_info is None


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("length", [None, 5])
def test_a_response_is_gunicorns(status, length):
    headers = [("X-A", " padded "), ("Server", "mine"), ("Connection", "close"), ("Content-Type", "text/plain")]
    if length:
        headers.append(("Content-Length", str(length)))
    real = TheirResponse(theirs(), None, gunicorn.config.Config())
    real.start_response(status, headers)
    ours = _exchange.Response(_exchange.Request(ENVIRON), status, headers, 0, length)
    for name in ("status", "status_code", "headers", "sent", "response_length", "version", "upgrade"):
        assert getattr(ours, name) == getattr(real, name), name
    assert ours.is_chunked() == real.is_chunked()


class Hooks:
    """A worker that notes what happens."""

    def __init__(self, **hooks):
        self.calls = []
        self.nr = 0
        none = {"pre_request": lambda *args: self.calls.append(("pre", *args[1:])), "post_request": self.post}
        self.cfg = SimpleNamespace(**{**none, **hooks})
        self.log = SimpleNamespace(access=self.access, exception=lambda text: self.calls.append(("log", text)))

    def post(self, worker, req, environ, resp):
        assert worker is self
        self.calls.append(("post", req, environ, resp))

    def access(self, resp, req, environ, duration):
        self.calls.append(("access", resp.status, resp.sent, duration))

    @property
    def names(self):
        return [call[0] for call in self.calls]


def serve(hooks, outcome=_exchange.DONE, status="200 OK"):
    exchanges = _exchange.Exchanges(hooks, access=True)
    environ = dict(ENVIRON)
    req = exchanges.begin(environ)
    exchanges.end(req, environ, outcome, status, [], -1, 3, 1_500_000_999)
    return req, environ


def test_the_order_is_gunicorns():
    hooks = Hooks()
    req, environ = serve(hooks)
    assert hooks.nr == 1
    assert hooks.names == ["pre", "access", "post"]
    assert hooks.calls[1] == ("access", "200 OK", 3, timedelta(seconds=1, microseconds=500000))
    assert hooks.calls[2][1] is req and hooks.calls[2][2] is environ
    assert hooks.calls[2][3].status_code == 200


def test_an_application_that_raises_is_logged_as_the_answer_that_the_client_gets():
    hooks = Hooks()
    serve(hooks, _exchange.RAISED, None)
    assert hooks.calls[1][:3] == ("access", "500 Internal Server Error", 0)
    assert hooks.calls[2][3].status is None


def test_pre_request_that_raises():
    def broken(worker, req):
        raise ValueError

    hooks = Hooks(pre_request=broken)
    with pytest.raises(ValueError):
        _exchange.Exchanges(hooks, access=True).begin(dict(ENVIRON))
    assert hooks.names == ["post", "access"]
    assert hooks.calls[0][2:] == ({}, None)
    assert hooks.calls[1][1] == "500 Internal Server Error"


def test_post_request_that_raises_is_logged():
    def broken(*args):
        raise ValueError

    hooks = Hooks(post_request=broken)
    serve(hooks)
    assert hooks.calls[-1] == ("log", "Exception in post_request hook")


@pytest.mark.parametrize("arity", [2, 3, 4])
def test_post_request_takes_two_to_four_arguments(arity):
    got = []
    functions = {
        2: lambda w, r: got.append((r,)),
        3: lambda w, r, e: got.append((r, e)),
        4: lambda w, r, e, s: got.append((r, e, s)),
    }
    hooks = Hooks(post_request=_exchange.adapted(functions[arity]))
    req, environ = serve(hooks)
    assert got[0][:2] == (req, environ)[: arity - 1]
    assert len(got[0]) == arity - 1


def test_a_request_that_no_worker_saw():
    record = {
        "environ": {
            "REQUEST_METHOD": "GET",
            "RAW_URI": "/x",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "::1",
            "PATH_INFO": None,
        },
        "status": 404,
        "sent": 12,
        "microseconds": 1500,
    }
    resp, req, environ, duration = _exchange.unserved(record)
    assert (resp.status, resp.sent, req.path, duration) == ("404 Not Found", 12, "/x", timedelta(microseconds=1500))
    assert "PATH_INFO" not in environ
