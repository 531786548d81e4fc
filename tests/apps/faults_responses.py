"""The half of the fault application that breaks (or strains) the rules of PEP 3333 for responses."""

import io
import os
import sys
import tempfile
import time

import testsync


class Closing:
    """An iterable that tells the test each time its close() is called."""

    def __init__(self, pieces, token, raises=False):
        self._pieces = iter(pieces)
        self._token = token
        self._raises = raises

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._pieces)

    def close(self):
        testsync.mark(f"closed-{self._token}")
        if self._raises:
            raise RuntimeError("close() itself fails")


def _start(start_response, *headers, status="200 OK"):
    return start_response(status, [("Content-Type", "text/plain"), *headers])


def close_counted(environ, start_response, token="token"):
    _start(start_response, ("Content-Length", "5"))
    return Closing([b"he", b"llo"], token)


def close_raises(environ, start_response, token="close-raises"):
    _start(start_response, ("Content-Length", "5"))
    return Closing([b"hello"], token, raises=True)


def raise_before(environ, start_response, *args):
    raise RuntimeError("raised before start_response")


def raise_after_start(environ, start_response, *args):
    _start(start_response)
    raise RuntimeError("raised after start_response")


def raise_mid(environ, start_response, token="raise-mid", framing="chunked"):
    def pieces():
        yield b"first piece\n"
        raise RuntimeError("raised in the middle of the body")

    _start(start_response, *([("Content-Length", "1000")] if framing == "length" else []))
    return Closing(pieces(), token)


def raise_mid_streaming(environ, start_response, token="raise-mid-streaming"):
    def pieces():
        yield b"first piece\n"
        testsync.wait(f"raise-{token}")
        raise RuntimeError("raised in the middle of a stream")

    _start(start_response, ("X-Accel-Buffering", "no"))
    return Closing(pieces(), token)


def yield_forever(environ, start_response, token="forever", size="1024"):
    def pieces():
        piece = b"x" * int(size)
        n = 0
        while True:
            n += 1
            if n == 10:
                testsync.mark(f"yielding-{token}")
            yield piece

    _start(start_response)
    return Closing(pieces(), token)


def yield_slow(environ, start_response, count="5", seconds="0.4", token="slow"):
    """A live stream: one piece every so many seconds, each a sign of life."""

    def pieces():
        for n in range(int(count)):
            time.sleep(float(seconds))
            yield f"piece {n}\n".encode()

    _start(start_response)
    return Closing(pieces(), token)


def one_byte_yields(environ, start_response, count="5000"):
    _start(start_response)
    return (b"x" for _ in range(int(count)))


def empty_yields(environ, start_response, *args):
    _start(start_response)
    return iter([b"", b"", b"a", b"", b"b", b""])


def empty_before_start(environ, start_response, *args):
    """Empty strings before start_response send nothing, so starting later is legal."""

    def pieces():
        _start(start_response)
        yield b""
        yield b"body\n"

    return pieces()


def late_start(environ, start_response, *args):
    def pieces():
        _start(start_response, ("X-Started", "late"))
        yield b"started late\n"

    return pieces()


def yield_before_start(environ, start_response, *args):
    def pieces():
        yield b"too early\n"
        _start(start_response)

    return pieces()


def never_start(environ, start_response, *args):
    return [b"body without a head\n"]


def start_twice(environ, start_response, *args):
    _start(start_response)
    _start(start_response)
    return [b"twice\n"]


def exc_info_restart(environ, start_response, *args):
    _start(start_response, ("X-First", "1"))
    try:
        raise ValueError("found out before anything was sent")
    except ValueError:
        start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("X-Second", "1")], sys.exc_info())
    return [b"restarted\n"]


def exc_info_after_body(environ, start_response, token="exc-info-after-body"):
    def pieces():
        yield b"sent already\n"
        try:
            raise ValueError("found out too late")
        except ValueError:
            try:
                start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
            except ValueError:
                testsync.mark(f"reraised-{token}")
                raise
            yield b"and nobody stopped it\n"

    _start(start_response, ("X-Accel-Buffering", "no"))
    return Closing(pieces(), token)


def return_none(environ, start_response, *args):
    _start(start_response)


def return_str(environ, start_response, *args):
    _start(start_response)
    return "a str, not an iterable of bytes"


def return_int(environ, start_response, *args):
    _start(start_response)
    return 42


def yield_str(environ, start_response, *args):
    _start(start_response)
    return ["a str\n"]


def return_bytes(environ, start_response, *args):
    """Legal, if slow: iterating over bytes yields integers, so it must fail cleanly or be sent whole."""
    _start(start_response)
    return b"bytes"


def wrong_cl(environ, start_response, difference="+1"):
    body = b"0123456789"
    _start(start_response, ("Content-Length", str(len(body) + int(difference))))
    return [body]


def bad_cl(environ, start_response, value="ten"):
    _start(start_response, ("Content-Length", value))
    return [b"0123456789"]


def dup_cl(environ, start_response, first="10", second="11"):
    _start(start_response, ("Content-Length", first), ("Content-Length", second))
    return [b"0123456789"]


def header(environ, start_response, kind="crlf-value"):
    """One bad header, status or header list; the kinds are the keys of BAD_STARTS."""
    status, headers = BAD_STARTS[kind]
    start_response(status, headers)
    return [b"accepted\n"]


BAD_STARTS = {
    "crlf-value": ("200 OK", [("X-Bad-Crlf", "a\r\nX-Injected: 1")]),
    "lf-value": ("200 OK", [("X-Bad-Lf", "a\nX-Injected: 1")]),
    "nul-value": ("200 OK", [("X-Bad-Nul", "a\0b")]),
    "crlf-name": ("200 OK", [("X-Bad\r\nX-Injected", "1")]),
    "space-name": ("200 OK", [("X Bad", "1")]),
    "colon-name": ("200 OK", [("X-Bad:", "1")]),
    "empty-name": ("200 OK", [("", "1")]),
    "crlf-status": ("200 OK\r\nX-Injected: 1", [("Content-Type", "text/plain")]),
    "nonlatin-value": ("200 OK", [("X-Bad-Nonlatin", "\u20ac")]),
    "nonlatin-name": ("200 OK", [("X-\u20ac", "1")]),
    "nonlatin-status": ("200 \u20ac", [("Content-Type", "text/plain")]),
    "bytes-value": ("200 OK", [("X-Bad-Bytes", b"bytes")]),
    "bytes-name": ("200 OK", [(b"X-Bytes", "1")]),
    "bytes-status": (b"200 OK", [("Content-Type", "text/plain")]),
    "int-value": ("200 OK", [("X-Bad-Int", 5)]),
    "int-status": (200, [("Content-Type", "text/plain")]),
    "none-value": ("200 OK", [("X-Bad-None", None)]),
    "status-99": ("99 Low", [("Content-Type", "text/plain")]),
    "status-1000": ("1000 High", [("Content-Type", "text/plain")]),
    "status-empty": ("", [("Content-Type", "text/plain")]),
    "status-words": ("OK", [("Content-Type", "text/plain")]),
    "headers-none": ("200 OK", None),
    "headers-short": ("200 OK", [("X-Only-Name",)]),
    "headers-str": ("200 OK", ["X-Header: 1"]),
}

GOOD_STARTS = {
    "latin": ("200 OK", [("X-Latin", "caf\u00e9")]),
    "no-reason": ("200 ", [("Content-Type", "text/plain")]),
    "repeated": ("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
    "empty-value": ("200 OK", [("X-Empty", "")]),
    "tab-value": ("200 OK", [("X-Tab", "a\tb")]),
    "status-599": ("599 Own", [("Content-Type", "text/plain")]),
}


def good_start(environ, start_response, kind="latin"):
    status, headers = GOOD_STARTS[kind]
    start_response(status, headers)
    return [b"accepted\n"]


def hop_by_hop(environ, start_response, *args):
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain"),
            ("Connection", "keep-alive, x-evil"),
            ("Keep-Alive", "timeout=1000"),
            ("Transfer-Encoding", "gzip"),
            ("Upgrade", "evil/1"),
            ("Trailer", "X-Later"),
            ("TE", "trailers"),
            ("Proxy-Authenticate", "Basic"),
        ],
    )
    return [b"framed by the server\n"]


def body_on(environ, start_response, code="204"):
    reasons = {"204": "No Content", "304": "Not Modified", "205": "Reset Content"}
    headers = [("Content-Length", "9")] if code == "304" else []
    start_response(f"{code} {reasons[code]}", headers)
    return [b"unwanted\n"]


def head(environ, start_response, *args):
    _start(start_response, ("Content-Length", "9"))
    return [b"body\nbody"]


def head_without_length(environ, start_response, *args):
    _start(start_response)
    return [b"body\nbody"]


class ClosingFile(io.FileIO):
    """A file that tells the test when it is closed."""

    def __init__(self, name, token):
        super().__init__(name)
        self._token = token

    def close(self):
        if not self.closed:
            testsync.mark(f"closed-{self._token}")
        super().close()


def file_wrapper(environ, start_response, size="100000", offset="0", length="auto", token="file"):
    with tempfile.NamedTemporaryFile(delete=False) as made:
        made.write(bytes(n % 251 for n in range(int(size))))
    file = ClosingFile(made.name, token)
    os.unlink(made.name)
    file.seek(int(offset))
    headers = []
    if length == "auto":
        headers = [("Content-Length", str(int(size) - int(offset)))]
    elif length != "none":
        headers = [("Content-Length", length)]
    _start(start_response, *headers)
    return environ["wsgi.file_wrapper"](file, 8192)


def file_wrapper_bytesio(environ, start_response, size="100000", token="bytesio"):
    class Bytes(io.BytesIO):
        def close(self):
            testsync.mark(f"closed-{token}")
            super().close()

    _start(start_response)
    return environ["wsgi.file_wrapper"](Bytes(bytes(n % 251 for n in range(int(size)))))


def file_wrapper_pipe(environ, start_response, *args):
    """A descriptor that is not a regular file has no size and no offset."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"through a pipe\n")
    os.close(write_end)
    _start(start_response)
    return environ["wsgi.file_wrapper"](os.fdopen(read_end, "rb"))


def file_wrapper_unused(environ, start_response, *args):
    """Makes a wrapper and iterates over it itself, as middleware does."""
    wrapper = environ["wsgi.file_wrapper"](io.BytesIO(b"unwrapped\n"), 4)
    _start(start_response)
    return [b"".join(wrapper)]


def write_callable(environ, start_response, *args):
    write = _start(start_response)
    write(b"written ")
    write(b"")
    write(b"first, ")
    return [b"then ", b"returned\n"]


def write_only(environ, start_response, *args):
    write = _start(start_response, ("Content-Length", "4"))
    write(b"only")
    return []


def write_str(environ, start_response, *args):
    write = _start(start_response)
    write("a str")
    return []


def big(environ, start_response, size="1000000", token="big"):
    """A large body in pieces of 64 KiB with a known content; tells when the last piece has been taken."""
    size = int(size)
    block = bytes(n % 251 for n in range(251 * 262))[:65536]

    def pieces():
        left = size
        while left > 0:
            yield block[: min(left, len(block))]
            left -= len(block)
        testsync.mark(f"taken-{token}")

    _start(start_response, ("Content-Length", str(size)))
    return Closing(pieces(), token)


def whole(environ, start_response, size="1000000"):
    """The same in one piece."""
    size = int(size)
    block = bytes(n % 251 for n in range(251 * 262))[:65536]
    _start(start_response, ("Content-Length", str(size)))
    return [(block * (size // len(block) + 1))[:size]]


def sse(environ, start_response, token="sse", count="3"):
    """Server-sent events, each sent only when the test has seen the one before."""

    def pieces():
        for n in range(int(count)):
            yield f"data: {n}\n\n".encode()
            testsync.wait(f"seen-{token}-{n}")
        testsync.mark(f"ended-{token}")

    start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
    return Closing(pieces(), token)


def early_hints(environ, start_response, *args):
    hints = environ.get("wsgi.early_hints")
    if hints is not None:
        hints([("Link", "</style.css>; rel=preload")])
    _start(start_response, ("Content-Length", "6"))
    return [b"hints\n"]


FAULTS = {
    "close-counted": close_counted,
    "close-raises": close_raises,
    "raise-before": raise_before,
    "raise-after-start": raise_after_start,
    "raise-mid": raise_mid,
    "raise-mid-streaming": raise_mid_streaming,
    "yield-forever": yield_forever,
    "yield-slow": yield_slow,
    "one-byte-yields": one_byte_yields,
    "empty-yields": empty_yields,
    "empty-before-start": empty_before_start,
    "late-start": late_start,
    "yield-before-start": yield_before_start,
    "never-start": never_start,
    "start-twice": start_twice,
    "exc-info-restart": exc_info_restart,
    "exc-info-after-body": exc_info_after_body,
    "return-none": return_none,
    "return-str": return_str,
    "return-int": return_int,
    "return-bytes": return_bytes,
    "yield-str": yield_str,
    "wrong-cl": wrong_cl,
    "bad-cl": bad_cl,
    "dup-cl": dup_cl,
    "header": header,
    "good-start": good_start,
    "hop-by-hop": hop_by_hop,
    "body-on": body_on,
    "head": head,
    "head-without-length": head_without_length,
    "file-wrapper": file_wrapper,
    "file-wrapper-bytesio": file_wrapper_bytesio,
    "file-wrapper-pipe": file_wrapper_pipe,
    "file-wrapper-unused": file_wrapper_unused,
    "write-callable": write_callable,
    "write-only": write_only,
    "write-str": write_str,
    "big": big,
    "whole": whole,
    "sse": sse,
    "early-hints": early_hints,
}
