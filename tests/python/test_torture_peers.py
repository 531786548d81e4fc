"""The torture application under three validators, on gounicorn and on its peers: the same verdict for every request.

Where a peer is known to differ, DIFFERENCES says how and why; a difference that has gone away fails too.
"""

import http.client
import sys

import pytest
from conftest import APPS, servers

sys.path.insert(0, str(APPS))
import torture

#: What depends on the server and not on the application.
SERVERS_OWN = {"date", "server", "connection", "keep-alive", "transfer-encoding", "via", "content-length"}

#: What a validator forbids although PEP 3333 allows it.
FORBIDDEN = {
    "linted": {"/sequence-protocol"},  # asks for __iter__
    "werkzeug_lint": {
        "/readline",
        "/readline-size",
        "/readlines",
        "/readlines-hint",
    },  # thinks them unsafe without an end
}

_WRAPPERS = ("app", "validated", "linted", "werkzeug_lint")

#: (server, validator, method, first segment of the path): why the verdict is another one there.
DIFFERENCES = {
    **{
        ("gunicorn", wrapper, "GET", "restart"): "start_response with exc_info adds to the first headers" for wrapper in _WRAPPERS
    },
}


def verdict(server, method, path, size):
    """Status, headers of the application and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    body = bytes(10 if n % 40 == 39 else n % 251 for n in range(size))
    headers = {"Content-Length": str(size)} if size or method in ("POST", "PATCH") else {}
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        content = response.read()
        own = sorted((name.lower(), value) for name, value in response.getheaders() if name.lower() not in SERVERS_OWN)
        return response.status, response.reason, own, content
    except (http.client.HTTPException, OSError) as error:
        return type(error).__name__, "", [], b""
    finally:
        connection.close()


def expected(method, path, size):
    """What the application itself says, called without any server."""
    import io
    from wsgiref.util import FileWrapper, setup_testing_defaults

    body = bytes(10 if n % 40 == 39 else n % 251 for n in range(size))
    raw, _, query = path.partition("?")
    from urllib.parse import unquote_to_bytes

    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(size),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.multithread": True,
    }
    setup_testing_defaults(environ)
    answer, written = [], []

    def start_response(status, headers, exc_info=None):
        answer[:] = [status, headers]
        return written.append

    pieces = torture.app(environ, start_response)
    content = b"".join([*written, *iter(pieces)]) if not hasattr(pieces, "__getitem__") else b"".join([*written, *pieces])
    if hasattr(pieces, "close"):
        pieces.close()
    code, _, reason = answer[0].partition(" ")
    own = sorted((name.lower(), value) for name, value in answer[1] if name.lower() not in SERVERS_OWN)
    return int(code), reason, own, b"" if method == "HEAD" else content


def case_id(case):
    return f"{case[0]}{case[1]}-{case[2]}"


@pytest.mark.parametrize("wrapper", _WRAPPERS)
@pytest.mark.parametrize("kind", servers())
def test_every_request_gets_the_verdict_of_the_application(serve, kind, wrapper):
    server = serve(kind, f"torture:{wrapper}")
    differing = {}
    for method, path, size in torture.CASES:
        if path in FORBIDDEN.get(wrapper, ()):
            continue
        got, want = verdict(server, method, path, size), expected(method, path, size)
        if path == "/closed" and method == "GET":
            want = (*want[:3], b"closed\n")
        if got != want:
            differing[kind, wrapper, method, path.split("/")[1]] = (
                size,
                got[0],
                got[2],
                got[3][:80],
                want[0],
                want[2],
                want[3][:80],
            )
    surprising = {key: value for key, value in differing.items() if key not in DIFFERENCES}
    assert not surprising, "\n".join(f"{key}: {value}" for key, value in surprising.items())
    gone = [key for key in DIFFERENCES if key[:2] == (kind, wrapper) and key not in differing]
    assert not gone, f"these differences are no more: {gone}"


@pytest.mark.parametrize("kind", [kind for kind in servers() if kind == "gounicorn"])
@pytest.mark.parametrize("wrapper", ["validated", "linted", "werkzeug_lint"])
def test_validators_find_nothing_to_complain_about(serve, kind, wrapper):
    server = serve(kind, f"torture:{wrapper}")
    for method, path, size in torture.CASES:
        if path not in FORBIDDEN.get(wrapper, ()):
            verdict(server, method, path, size)
    complaints = [
        line for line in server.lines if "AssertionError" in line or "WSGIWarning" in line or "without being closed" in line
    ]
    assert not complaints
