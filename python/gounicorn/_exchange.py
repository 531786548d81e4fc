"""One request and its response as hooks and loggers of gunicorn's kind see them, and what runs around each request.

Nothing here runs unless the configuration has a hook around requests, or a logger that is Python's.
"""

from __future__ import annotations

import inspect
import urllib.parse
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, RAISED, PROTOCOL, GONE, BROKEN = range(5)  # gp_outcome

# Headers of a response that the server sets itself.
SERVERS = {
    "connection",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "server",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
}
NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class Request:
    """A request: gunicorn.http.message.Request."""

    def __init__(self, environ: dict[str, Any]) -> None:
        """Read it from the environ, before the application changes that."""
        protocol = environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2]
        major, _, minor = protocol.partition(".")
        self.version = (int(major), int(minor or 0)) if major.isdigit() and (minor or "0").isdigit() else (1, 1)
        self.method: str = environ.get("REQUEST_METHOD", "")
        self.uri: str = environ.get("RAW_URI", "")
        self.path, self.query, self.fragment = _split(self.uri)
        self.scheme: str = environ.get("wsgi.url_scheme", "http")
        self.headers = [(_header(name), value) for name, value in environ.items() if _is_header(name)]
        self.trailers: list[tuple[str, str]] = []
        self.body = environ.get("wsgi.input")
        address, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
        self.remote_addr: Any = (address, int(port)) if port.isdigit() else address
        self.peer_addr = self.remote_addr
        self.proxy_protocol_info = _proxy(environ)

    def should_close(self) -> bool:
        """Tell whether the client asked for the end of its connection; whether it ends is the master's business."""
        for name, value in self.headers:
            if name == "CONNECTION":
                return value.lower().strip(" \t") == "close"
        return self.version <= (1, 0)


def _split(uri: str) -> tuple[str, str, str]:
    if uri.startswith("//"):  # a path, not a host
        path, query, fragment = _split(uri[1:])
        return f"/{path}", query, fragment
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        return uri, "", ""
    return parts.path, parts.query, parts.fragment


def _is_header(name: str) -> bool:
    return name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-")


def _proxy(environ: dict[str, Any]) -> dict[str, Any] | None:
    if "PROXY_PROTOCOL" not in environ:
        return None
    return {
        "proxy_protocol": environ["PROXY_PROTOCOL"],
        "client_addr": environ.get("REMOTE_ADDR"),
        "client_port": environ.get("REMOTE_PORT"),
        "proxy_addr": environ.get("PROXY_ADDR"),
        "proxy_port": environ.get("PROXY_PORT"),
    }


class Response:
    """What became of a request: gunicorn.http.wsgi.Response."""

    def __init__(
        self,
        req: Request,
        status: str | None = None,
        headers: list[tuple[str, str]] | None = None,
        sent: int = 0,
        response_length: int | None = None,
    ) -> None:
        """Take what start_response got and how many bytes of body were sent."""
        self.req = req
        self.version = "gunicorn"  # the server's name, as in gunicorn
        self.status = status
        no_content = self.status_code == HTTPStatus.NO_CONTENT
        dropped = SERVERS | {"content-length"} if no_content else SERVERS
        self.headers = [(name, value.strip()) for name, value in headers or () if name.lower() not in dropped]
        self.sent = sent
        self.response_length = None if no_content else response_length
        self.headers_sent = status is not None
        self.upgrade = False
        self.must_close = False

    @property
    def status_code(self) -> int | None:
        """The number of the status."""
        return int(self.status.split(None, 1)[0]) if self.status else None

    @property
    def chunked(self) -> bool:
        """Whether the body has no length of its own."""
        return self.is_chunked()

    def is_chunked(self) -> bool:
        """Tell whether the body has no length of its own."""
        bodyless = self.req.method == "HEAD" or self.status_code in NO_BODY
        return self.response_length is None and self.req.version > (1, 0) and not bodyless

    def should_close(self) -> bool:
        """Tell whether the client asked for the end of its connection."""
        return self.must_close or self.req.should_close()


class Exchanges:
    """What runs around each request of a worker."""

    def __init__(self, worker: Any, *, access: bool) -> None:
        """Use the hooks of the worker's cfg; access: its log gets a call for each request."""
        self._worker = worker
        self._before = worker.cfg.pre_request
        self._after = worker.cfg.post_request
        self._access = access

    def begin(self, environ: dict[str, Any]) -> Request:
        """Run before the application."""
        req = Request(environ)
        self._worker.nr += 1
        try:
            self._before(self._worker, req)
        except BaseException:
            self._post_request(req, {}, None)
            self._log(Response(req, _ERROR), req, environ, timedelta())
            raise
        return req

    def end(
        self,
        req: Request,
        environ: dict[str, Any],
        outcome: int,
        status: str | None,
        headers: list[tuple[str, str]] | None,
        length: int,
        sent: int,
        nanoseconds: int,
    ) -> None:
        """Run after the answer; gp_hooks.c has the arguments."""
        resp = Response(req, status, headers, sent, None if length < 0 else length)
        logged = resp
        if status is None and outcome != GONE:
            logged = Response(req, _ERROR)  # which the master sends
        self._log(logged, req, environ, timedelta(microseconds=nanoseconds // 1000))
        self._post_request(req, environ, resp)

    def _log(self, resp: Response, req: Request, environ: dict[str, Any], duration: timedelta) -> None:
        if self._access:
            try:
                self._worker.log.access(resp, req, environ, duration)
            except Exception:
                self._worker.log.exception("Exception in access() of the logger")

    def _post_request(self, req: Request, environ: dict[str, Any], resp: Response | None) -> None:
        try:
            self._after(self._worker, req, environ, resp)
        except Exception:
            self._worker.log.exception("Exception in post_request hook")


_ERROR = "500 Internal Server Error"


def around(worker: Any, *, hooked: bool, access: bool) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
    """Return begin and end for _gounicorn.configure: None and None when nothing is to run."""
    if not (hooked or access):
        return None, None
    exchanges = Exchanges(worker, access=access)
    return exchanges.begin, exchanges.end


def unserved(record: dict[str, Any]) -> tuple[Response, Request, dict[str, Any], timedelta]:
    """Return what access() gets for a request that no worker saw; the master describes it in a RECORD packet."""
    environ: dict[str, Any] = {name: value for name, value in record["environ"].items() if value is not None}
    req = Request(environ)
    code = record["status"]
    try:
        reason = HTTPStatus(code).phrase
    except ValueError:
        reason = ""
    resp = Response(req, f"{code} {reason}".rstrip(), [], record["sent"], record["sent"])
    return resp, req, environ, timedelta(microseconds=record["microseconds"])


def adapted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a post_request that takes all four arguments, for one that takes only the first two or three."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return function
    arity = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if arity == 2:
        return lambda worker, req, environ, resp: function(worker, req)
    if arity == 3:
        return lambda worker, req, environ, resp: function(worker, req, environ)
    return function
