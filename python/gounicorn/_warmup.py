"""Warm-up: requests that a worker answers to itself before it is ready (--warmup), through the application as it serves.

An exception, or a status of 500 and more, is a failure. What else the answer says is the application's business, but one that
is no page (400 and more) is told of, for the request then warms little.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import _gounicorn_process as process

from gounicorn import _apploader, _journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FAILED = 500  # from this status on
NO_PAGE = 400


class WarmupError(Exception):
    """A warm-up request that failed; the text is for the log."""


def run(app: Callable[..., Any], urls: Iterable[str], host: str, base: dict[str, Any]) -> None:
    """Make the requests in their order. host is that of URLs that are only a path; empty: it is the application's.

    base is what the environ has for every request.
    """
    for url in urls:
        environ = _environ(url, host) | base
        what = f"Warm-up GET {environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{_target(url)}"
        status = _answer(app, environ, what)
        if status >= NO_PAGE:
            text = f"{what}: the answer is {status}, so little was warmed; --warmup may also name a whole URL"
            _journal.write(process.WARNING, text)


def _answer(app: Callable[..., Any], environ: dict[str, Any], what: str) -> int:
    """Run one request and return its status; raise WarmupError when it fails."""
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    with _blame() as raised:
        try:
            body = app(environ, start_response)
            try:
                for _ in body:
                    pass
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        except (Exception, SystemExit) as error:
            raise WarmupError(f"{what} failed.\n{_apploader.describe(error)}") from None
    if not statuses:
        raise WarmupError(f"{what} failed: the application did not call start_response().")
    code = int(statuses[-1][:3])
    if code >= FAILED:
        raise WarmupError("\n".join([f"{what} failed: {statuses[-1]}", *raised]))
    return code


@contextlib.contextmanager
def _blame() -> Iterator[list[str]]:
    """Collect the tracebacks of exceptions that Django turns into an answer."""
    raised: list[str] = []
    signals = sys.modules.get("django.core.signals")
    if signals is None:
        yield raised
        return

    def note(**_: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            raised.append(_apploader.describe(error))

    signals.got_request_exception.connect(note)
    try:
        yield raised
    finally:
        signals.got_request_exception.disconnect(note)


def _environ(url: str, host: str) -> dict[str, Any]:
    parts = urlsplit(url)
    site = _Site()
    scheme = parts.scheme or ("https" if site.https else "http")
    authority = parts.netloc or host or site.host or "localhost"
    name, _, port = authority.rpartition(":")
    if not port.isdecimal():
        name, port = authority, ""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "RAW_URI": _target(url),
        "SERVER_NAME": name,
        "SERVER_PORT": port or ("443" if scheme == "https" else "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "HTTP_HOST": authority,
        "HTTP_USER_AGENT": "gounicorn warm-up",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.run_once": False,
    }
    if scheme == "https" and site.header:
        environ[site.header[0]] = site.header[1]
    return environ


def _target(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


class _Site:
    """What Django's settings say of the requests that it takes; nothing for another application."""

    def __init__(self) -> None:
        settings = getattr(sys.modules.get("django.conf"), "settings", None)
        known = settings is not None and settings.configured
        hosts = [str(host).removeprefix(".") for host in getattr(settings, "ALLOWED_HOSTS", ())] if known else []
        self.host = next((host for host in hosts if host and "*" not in host), "")
        self.https = bool(known and getattr(settings, "SECURE_SSL_REDIRECT", False))
        self.header: tuple[str, str] | None = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) if known else None
