"""The application that both servers run: it shows what it was given, and answers as its path says."""

import io
import os
import sys
import threading
import time

import spy

spy.say("import", "app")

TEXT = [("Content-Type", "text/plain")]


def shown(value):
    """The value as it can be compared between two servers."""
    if isinstance(value, (str, int, tuple, bool, type(None))):
        return repr(value)
    if callable(value):
        return "callable"
    return "object with " + " ".join(
        n for n in ("read", "readline", "readlines", "__iter__", "write", "flush", "recv") if hasattr(value, n)
    )


def env(environ, start_response):
    start_response("200 OK", TEXT)
    names = sorted(environ)
    if environ["QUERY_STRING"].startswith("only="):
        names = [name for name in names if name in environ["QUERY_STRING"][5:].split(",")]
    return ["".join(f"{name}={shown(environ[name])}\n" for name in names).encode()]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def lines(environ, start_response):
    stream = environ["wsgi.input"]
    got = [stream.readline(), stream.read(3), stream.readline(2), *stream.readlines()]
    start_response("200 OK", TEXT)
    return [repr(got).encode()]


def iterate(environ, start_response):
    start_response("200 OK", TEXT)
    return [repr(list(environ["wsgi.input"])).encode()]


def caught(environ, start_response):
    try:
        result = repr(environ["wsgi.input"].read())
    except OSError as error:
        result = "OSError " + type(error).__name__
    start_response("200 OK", TEXT)
    return [result.encode()]


def unread(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "2")])
    return [b"ok"]


def process(environ, start_response):
    start_response("200 OK", TEXT)
    name = environ["QUERY_STRING"]
    values = {
        "cwd": os.getcwd,
        "argv": lambda: sys.argv[1:],
        "path0": lambda: sys.path[0],
        "path": lambda: [p for p in sys.path if "site-packages" not in p and "/lib/" not in p],
        "umask": lambda: oct(_umask()),
        "software": lambda: os.environ.get("SERVER_SOFTWARE"),
        "pid": os.getpid,
        "threads": lambda: threading.current_thread() is threading.main_thread(),
        "ids": lambda: [os.getuid(), os.getgid(), sorted(os.getgroups())],
        "stdin": lambda: os.readlink("/proc/self/fd/0"),
    }
    value = values[name]() if name in values else os.environ.get(name)
    return [f"{name}={value}\n".encode()]


def _umask():
    old = os.umask(0)
    os.umask(old)
    return old


def slow(environ, start_response):
    spy.say("slow begins")
    time.sleep(float(environ["QUERY_STRING"]))
    spy.say("slow ends")
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return [b"slow\n"]


def hold(environ, start_response):
    """Answers when the file named in the query is there."""
    spy.say("hold begins")
    deadline = time.monotonic() + 20
    while not os.path.exists(environ["QUERY_STRING"]) and time.monotonic() < deadline:
        time.sleep(0.005)
    spy.say("hold ends")
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return [b"held\n"]


def errors(environ, start_response):
    environ["wsgi.errors"].write("a line for wsgi.errors\n")
    environ["wsgi.errors"].flush()
    start_response("200 OK", TEXT)
    return [b"written"]


def printing(environ, start_response):
    print("printed to stdout", flush=True)
    print("printed to stderr", file=sys.stderr, flush=True)
    start_response("200 OK", TEXT)
    return [b"printed"]


def raising(environ, start_response):
    raise ValueError("raised before the head")


def raising_late(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    yield b"half "
    raise ValueError("raised after the head")


def exiting(environ, start_response):
    sys.exit(7)


def fixed(status="200 OK", headers=(), body=(b"text\n",)):
    def app(environ, start_response):
        start_response(status, list(headers))
        return list(body)

    return app


def writing(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    return [b"returned"]


def twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("404 Not Found", TEXT)
    return [b"two"]


def replaced(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise ValueError
    except ValueError:
        start_response("500 Oh", TEXT, sys.exc_info())
    return [b"replaced"]


def silent(environ, start_response):
    return [b"no start_response"]


def hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    environ["wsgi.early_hints"]([("Link", "</b.js>; rel=preload")])
    start_response("200 OK", TEXT)
    return [b"hinted"]


def bad_hint(environ, start_response):
    try:
        environ["wsgi.early_hints"]([("Li nk", "x")])
        result = "accepted"
    except Exception as error:
        result = "refused " + type(error).__mro__[-3].__name__
    start_response("200 OK", TEXT)
    return [result.encode()]


class Closing:
    def __iter__(self):
        return iter([b"one ", b"", b"two"])

    def close(self):
        spy.say("closed")


def closing(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing()


def real_file(environ, start_response):
    with open("file.txt", "wb") as out:
        out.write(b"from a file\n" * 10)
    start_response("200 OK", [*TEXT, ("Content-Length", "120")])
    return environ["wsgi.file_wrapper"](open("file.txt", "rb"))


def memory_file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"from memory\n" * 10), 50)


def generated(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one "
    yield b""
    yield b"two"


ROUTES = {
    "/env": env,
    "/echo": echo,
    "/lines": lines,
    "/iterate": iterate,
    "/caught": caught,
    "/unread": unread,
    "/process": process,
    "/slow": slow,
    "/hold": hold,
    "/errors": errors,
    "/print": printing,
    "/raise": raising,
    "/raise-late": raising_late,
    "/exit": exiting,
    "/write": writing,
    "/twice": twice,
    "/replaced": replaced,
    "/silent": silent,
    "/hints": hints,
    "/bad-hint": bad_hint,
    "/closing": closing,
    "/file": real_file,
    "/memory-file": memory_file,
    "/generated": generated,
    "/hop": fixed(
        headers=[
            ("Server", "mine"),
            ("Date", "today"),
            ("Connection", "keep-alive"),
            ("Keep-Alive", "9"),
            ("TE", "x"),
            ("Trailers", "x"),
            ("Upgrade", "h2c"),
            ("Transfer-Encoding", "identity"),
            ("Proxy-Authenticate", "x"),
            ("X-Mine", "kept"),
        ]
    ),
    "/upgrade": fixed("101 Switching Protocols", [("Connection", "upgrade"), ("Upgrade", "websocket")], ()),
    "/bad-name": fixed(headers=[("X Bad", "1")]),
    "/bad-value": fixed(headers=[("X-Bad", "1\r\nSet-Cookie: a=b")]),
    "/latin": fixed(headers=[("X-Name", "caf\xe9")]),
    "/beyond-latin": fixed(headers=[("X-Name", "\u20ac")]),
    "/spaces": fixed(headers=[("X-Name", "  padded\t")]),
    "/repeated": fixed(headers=[("Set-Cookie", "a=1"), ("X-Case", "kept"), ("set-cookie", "b=2")]),
    "/empty": fixed(headers=[("Content-Length", "0")], body=()),
    "/none": fixed("204 No Content", (), ()),
    "/none-body": fixed("204 No Content", [("Content-Length", "5")]),
    "/not-modified": fixed("304 Not Modified", [("ETag", '"a"'), ("Content-Length", "5")]),
    "/long": fixed(headers=[("Content-Length", "3")]),
    "/short": fixed(headers=[("Content-Length", "30")]),
    "/bad-length": fixed(headers=[("Content-Length", "many")]),
    "/no-reason": fixed("200"),
    "/odd-status": fixed("299 Odd one"),
    "/bad-status": fixed("OK"),
    "/text-item": fixed(body=("text",)),
    "/header-bytes": fixed(headers=[(b"X-Bytes", "1")]),
    "/redirect": fixed("302 Found", [("Location", "/else\u00e9"), ("Content-Length", "0")], ()),
    "/chunks": fixed(headers=TEXT, body=(b"one ", b"", b"two")),
}


def app(environ, start_response):
    route = ROUTES.get(environ["PATH_INFO"])
    if route is None:
        start_response("200 OK", [*TEXT, ("Content-Length", "6")])
        return [b"hello\n"]
    return route(environ, start_response)


application = app


def factory(name="app", **more):
    spy.say("factory", name, sorted(more.items()))
    return app
