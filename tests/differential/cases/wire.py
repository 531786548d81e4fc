"""What goes over the wire: environ, responses, bad input. Sections 5.1, 5.3 and 5.4. Each group is one start, played in order."""

from case import Case, Wire, env, get

SYNC = "--access-logfile - app:app"
THREADS = "--access-logfile - --threads 2 app:app"
BODY = "Content-Type: text/plain", "Content-Length: 11"
CHUNKED = "Transfer-Encoding: chunked"
COMMON = "REQUEST_METHOD,PATH_INFO,QUERY_STRING,RAW_URI,SCRIPT_NAME,SERVER_PROTOCOL,HTTP_HOST"


def line(text, *headers):
    """A request whose first line is text."""
    return (text + "\r\n" + "".join(h + "\r\n" for h in ("Host: example.org", *headers, "Connection: close")) + "\r\n").encode(
        "latin-1"
    )


def fields(*headers):
    return line("GET /env?only=HTTP_X HTTP/1.1", *headers)


ENVIRON = (
    Wire("everything", get("/env")),
    Wire("everything-1.0", get("/env", version="1.0")),
    Wire(
        "body-keys", get("/env", *BODY, "X-Two: 1", "x-two: 2", "Cookie: a=1", "Cookie: b=2", method="POST", body=b"hello world")
    ),
    Wire("chunked-keys", env("CONTENT_LENGTH,HTTP_TRANSFER_ENCODING", CHUNKED, method="POST", body=b"3\r\nabc\r\n0\r\n\r\n")),
    Wire("path-decoded", line("GET /a%20b%2Fc%C3%A9?q=%20 HTTP/1.1")),
    Wire("query", env(COMMON + "&a=%20+b?c")),
    Wire("empty-query", line("GET /env? HTTP/1.1")),
    Wire("double-slash", line("GET //env HTTP/1.1")),
    Wire("dots", line("GET /x/../env?only=PATH_INFO HTTP/1.1")),
    Wire("absolute", line(f"GET http://other.org/env?only={COMMON} HTTP/1.1")),
    Wire("absolute-without-path", line("GET http://other.org HTTP/1.1")),
    Wire("fragment", line("GET /env?only=QUERY_STRING,RAW_URI#part HTTP/1.1")),
    Wire(
        "host-with-port",
        line("GET /env?only=HTTP_HOST,SERVER_NAME,SERVER_PORT HTTP/1.1").replace(b"example.org", b"example.org:8080"),
    ),
    Wire("no-host-1.0", env("HTTP_HOST,SERVER_NAME,SERVER_PORT", version="1.0")),
    Wire("no-host-1.1", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    Wire("proxy-field", env("HTTP_PROXY", "Proxy: evil")),
    Wire("forwarded-for", env("REMOTE_ADDR,HTTP_X_FORWARDED_FOR", "X-Forwarded-For: 1.2.3.4")),
    Wire("latin-value", env("HTTP_X", "X: caf\xe9")),
    Wire("padded-value", env("HTTP_X", "X: \t a b \t")),
    Wire("empty-value", env("HTTP_X", "X:")),
    Wire("authorization", env("HTTP_AUTHORIZATION", "Authorization: Basic dTpw")),
)
INPUT = (
    Wire("read", get("/echo", *BODY, method="POST", body=b"hello world")),
    Wire("read-chunked", get("/echo", CHUNKED, method="POST", body=b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n")),
    Wire("read-nothing", get("/echo")),
    Wire("lines", get("/lines", "Content-Length: 15", method="POST", body=b"one\ntwo\nthree\n4")),
    Wire("iterate", get("/iterate", "Content-Length: 15", method="POST", body=b"one\ntwo\nthree\n4")),
    Wire("unread", get("/unread", "Content-Length: 5", method="POST", body=b"12345")),
    Wire("put", get("/echo", "Content-Length: 5", method="PUT", body=b"12345")),
    Wire("patch", get("/echo", "Content-Length: 5", method="PATCH", body=b"12345")),
    Wire("expect", get("/echo", "Expect: 100-continue", "Content-Length: 5", method="POST", body=b"12345")),
    Wire("expect-1.0", get("/echo", "Expect: 100-continue", "Content-Length: 5", method="POST", body=b"12345", version="1.0")),
    Wire("expect-else", get("/echo", "Expect: something", "Content-Length: 5", method="POST", body=b"12345")),
    Wire("cut-short", get("/caught", "Content-Length: 10", method="POST", body=b"12345"), end=True),
    Wire("bad-chunk-size", get("/caught", CHUNKED, method="POST", body=b"zz\r\nabc\r\n0\r\n\r\n")),
    Wire("bad-chunk-end", get("/caught", CHUNKED, method="POST", body=b"3\r\nabcdef\r\n0\r\n\r\n")),
    Wire("bad-chunk-uncaught", get("/echo", CHUNKED, method="POST", body=b"zz\r\nabc\r\n0\r\n\r\n")),
    Wire("trailer", get("/echo", CHUNKED, method="POST", body=b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")),
    Wire("forbidden-trailer", get("/echo", CHUNKED, method="POST", body=b"3\r\nabc\r\n0\r\nContent-Length: 1\r\n\r\n")),
)
RESPONSES = tuple(
    Wire(target.strip("/"), get(target))
    for target in [
        "/hop",
        "/upgrade",
        "/bad-name",
        "/bad-value",
        "/latin",
        "/beyond-latin",
        "/spaces",
        "/repeated",
        "/empty",
        "/none",
        "/none-body",
        "/not-modified",
        "/long",
        "/short",
        "/bad-length",
        "/no-reason",
        "/odd-status",
        "/bad-status",
        "/text-item",
        "/header-bytes",
        "/redirect",
        "/chunks",
        "/write",
        "/twice",
        "/replaced",
        "/silent",
        "/hints",
        "/bad-hint",
        "/closing",
        "/file",
        "/memory-file",
        "/generated",
        "/raise",
        "/raise-late",
        "/exit",
        "/errors",
    ]
)
MORE_RESPONSES = (
    Wire("head", get("/", method="HEAD")),
    Wire("head-chunks", get("/chunks", method="HEAD")),
    Wire("head-file", get("/file", method="HEAD")),
    Wire("chunks-1.0", get("/chunks", version="1.0")),
    Wire("keep-alive-1.0", get("/", "Connection: keep-alive", version="1.0")),
    Wire("hints-1.0", get("/hints", version="1.0")),
    Wire("keep-alive", get("/", "Connection: keep-alive")),
    Wire("connection-list", get("/", "Connection: close, x")),
    Wire("options", get("/", method="OPTIONS")),
    Wire("delete", get("/", method="DELETE")),
    Wire("unknown-method", get("/env?only=REQUEST_METHOD", method="BREW")),
)
BAD = (
    Wire("no-version", line("GET /")),
    Wire("two-spaces", line("GET  / HTTP/1.1")),
    Wire("no-target", line("GET HTTP/1.1")),
    Wire("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    Wire("lower-case-method", line("get / HTTP/1.1")),
    Wire("short-method", line("GE / HTTP/1.1")),
    Wire("long-method", line("A" * 21 + " / HTTP/1.1")),
    Wire("method-with-sign", line("GE#T / HTTP/1.1")),
    Wire("version-2", line("GET / HTTP/2.0")),
    Wire("version-1.2", line("GET / HTTP/1.2")),
    Wire("version-0.9", line("GET / HTTP/0.9")),
    Wire("bad-version", line("GET / HTTP/one")),
    Wire("lower-case-version", line("GET / http/1.1")),
    Wire("star", line("GET * HTTP/1.1")),
    Wire("options-star", line("OPTIONS * HTTP/1.1")),
    Wire("authority", line("GET example.org:80 HTTP/1.1")),
    Wire("connect", line("CONNECT example.org:80 HTTP/1.1")),
    Wire("trace", line("TRACE / HTTP/1.1")),
    Wire("relative-target", line("GET path HTTP/1.1")),
    Wire("control-in-target", line("GET /a\x01b HTTP/1.1")),
    Wire("high-byte-in-target", line("GET /caf\xe9 HTTP/1.1")),
    Wire("bad-escape", line("GET /%zz HTTP/1.1")),
    Wire("empty-lines-first", b"\r\n" + get()),
    Wire("bare-lf", b"GET / HTTP/1.1\nHost: x\n\n", end=True),
    Wire("line-too-long", line("GET /" + "a" * 4200 + " HTTP/1.1")),
    Wire("field-too-long", fields("X: " + "a" * 8200)),
    Wire("too-many-fields", fields(*(f"X-{n}: 1" for n in range(100)))),
    Wire("no-colon", fields("X")),
    Wire("space-before-colon", fields("X : 1")),
    Wire("empty-name", fields(": 1")),
    Wire("bad-name", fields("X(Y): 1")),
    Wire("nul-in-value", fields("X: a\x00b")),
    Wire("control-in-value", fields("X: a\x01b")),
    Wire("folded", fields("X: a\r\n b")),
    Wire("two-hosts", fields("Host: other.org")),
    Wire("empty-host", line("GET / HTTP/1.1").replace(b"example.org", b"")),
    Wire("bad-host", line("GET / HTTP/1.1").replace(b"example.org", b"a,b")),
    Wire("two-types", get("/echo", "Content-Type: a/b", "Content-Type: c/d")),
    Wire("two-lengths", get("/echo", "Content-Length: 1", "Content-Length: 1", method="POST", body=b"x")),
    Wire("length-list", get("/echo", "Content-Length: 1, 1", method="POST", body=b"x")),
    Wire("length-sign", get("/echo", "Content-Length: +1", method="POST", body=b"x")),
    Wire("length-letters", get("/echo", "Content-Length: x", method="POST", body=b"x")),
    Wire("length-and-coding", get("/echo", "Content-Length: 1", CHUNKED, method="POST", body=b"0\r\n\r\n")),
    Wire("chunked-twice", get("/echo", CHUNKED, CHUNKED, method="POST", body=b"0\r\n\r\n")),
    Wire("chunked-not-last", get("/echo", CHUNKED + ", gzip", method="POST", body=b"0\r\n\r\n")),
    Wire("chunked-1.0", get("/echo", CHUNKED, method="POST", body=b"0\r\n\r\n", version="1.0")),
    Wire("gzip-chunked", get("/echo", "Transfer-Encoding: gzip, chunked", method="POST", body=b"0\r\n\r\n")),
    Wire("gzip", get("/echo", "Transfer-Encoding: gzip", method="POST", body=b"x")),
    Wire("unknown-coding", get("/echo", "Transfer-Encoding: other", method="POST", body=b"x")),
    Wire("identity", get("/echo", "Transfer-Encoding: identity", method="POST", body=b"x")),
    Wire("underscore", env("HTTP_X_Y", "X_Y: 1")),
    Wire("websocket", get("/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x")),
    Wire("incomplete-head", b"GET / HTTP/1.1\r\nHost: x\r\n", end=True),
    Wire("nothing", b"", end=True),
)
PIPELINE = (
    Wire("two", get("/", "Connection: keep-alive") + get("/env?only=PATH_INFO"), answers=2),
    Wire("keep-alive", get("/", "Connection: keep-alive")),
    Wire("multithread", env("wsgi.multithread,wsgi.multiprocess")),
    Wire("short", get("/short")),
    Wire("raise", get("/raise")),
    Wire(
        "unread-then-next",
        get("/unread", "Content-Length: 5", "Connection: keep-alive", method="POST", body=b"12345") + get("/"),
        answers=2,
    ),
    Wire("close-asked", get("/")),
    Wire("keep-alive-1.0", get("/", "Connection: keep-alive", version="1.0")),
    Wire("close-framed-1.0", get("/chunks", "Connection: keep-alive", version="1.0")),
    Wire("bad-line", line("GET /")),
)
UNIX = (
    Wire("environ", env("REMOTE_ADDR,REMOTE_PORT,SERVER_NAME,SERVER_PORT,HTTP_HOST,wsgi.url_scheme")),
    Wire("host-with-port", get("/env?only=SERVER_NAME,SERVER_PORT", "Host: example.org:8080")),
    Wire("https", env("SERVER_NAME,SERVER_PORT,wsgi.url_scheme", "X-Forwarded-Proto: https")),
    Wire("no-host", env("SERVER_NAME,SERVER_PORT", version="1.0")),
    Wire("scheme-is-trusted", env("wsgi.url_scheme", "X-Forwarded-Ssl: on")),
    Wire("bad-line", line("GET /")),
)
CASES = [
    Case("environ", SYNC, group=ENVIRON),
    Case("input", SYNC, group=INPUT),
    Case("response", SYNC, group=RESPONSES + MORE_RESPONSES),
    Case("bad", SYNC, group=BAD),
    Case("gthread", THREADS, group=PIPELINE),
    Case("unix", f"-b unix:{{dir}}/s.sock {SYNC}", group=UNIX, bind=False),
    Case("two-workers", f"-w 2 {SYNC}", group=(Wire("multiprocess", env("wsgi.multithread,wsgi.multiprocess")),)),
]
