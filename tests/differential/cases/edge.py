"""Trusted proxies, the PROXY protocol, and the settings that loosen or tighten what is accepted: sections 5.2 and 5.3."""

from case import Case, Wire, env, get

KEYS = "wsgi.url_scheme,REMOTE_ADDR,SCRIPT_NAME,PATH_INFO,HTTP_X_Y,HTTP_SCRIPT_NAME,HTTP_PATH_INFO,HTTP_REMOTE_USER"
SEEN = env(KEYS)


def probe(name, *headers):
    return Wire(name, env(KEYS, *headers))


SCHEMES = (
    probe("plain"),
    probe("https", "X-Forwarded-Proto: https"),
    probe("upper-case", "X-Forwarded-Proto: HTTPS"),
    probe("list", "X-Forwarded-Proto: https,http"),
    probe("http", "X-Forwarded-Proto: http"),
    probe("ssl", "X-Forwarded-Protocol: ssl"),
    probe("on", "X-Forwarded-Ssl: on"),
    probe("off", "X-Forwarded-Ssl: off"),
    probe("agreeing", "X-Forwarded-Ssl: on", "X-Forwarded-Proto: https"),
    probe("conflicting", "X-Forwarded-Ssl: on", "X-Forwarded-Proto: http"),
)
NAMES = (
    probe("underscore", "X_Y: 1"),
    probe("both", "X_Y: 1", "X-Y: 2"),
    probe("path-info", "PATH_INFO: /other"),
    probe("remote-user", "REMOTE_USER: me"),
    Wire("script-name", get(f"/mount/env?only={KEYS}", "SCRIPT_NAME: /mount")),
    Wire("script-name-mismatch", get(f"/env?only={KEYS}", "SCRIPT_NAME: /mount")),
)
PROXIED = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
PEER = env("REMOTE_ADDR,REMOTE_PORT,PROXY_PROTOCOL,PROXY_ADDR,PROXY_PORT,SERVER_NAME,wsgi.url_scheme")
V2 = b"\r\n\r\n\x00\r\nQUIT\n"
V2_TCP4 = V2 + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1]) + b"\x12\x67\x01\xbb"
V2_TCP6 = V2 + b"\x21\x21\x00\x24" + bytes(15) + b"\x07" + bytes(15) + b"\x01" + b"\x12\x67\x01\xbb"
V2_LOCAL = V2 + b"\x20\x00\x00\x00"
V2_UDP = V2 + b"\x21\x12\x00\x0c" + V2_TCP4[-12:]
V2_UNIX = V2 + b"\x21\x31\x00\xd8" + bytes(216)
V2_VERSION = V2 + b"\x31\x11\x00\x0c" + V2_TCP4[-12:]
V2_SHORT = V2 + b"\x21\x11\x00\x04" + bytes([192, 0, 2, 7])
V2_EXTRA = V2 + b"\x21\x11\x00\x0f" + V2_TCP4[-12:] + b"\x04\x00\x00"
LINES = (
    Wire("tcp4", PROXIED + PEER),
    Wire("tcp6", b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n" + PEER),
    Wire("unknown", b"PROXY UNKNOWN\r\n" + PEER),
    Wire("missing", PEER),
    Wire("bad-address", b"PROXY TCP4 192.0.2.777 198.51.100.1 4711 443\r\n" + PEER),
    Wire("bad-port", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 99999\r\n" + PEER),
    Wire("too-few", b"PROXY TCP4 192.0.2.7\r\n" + PEER),
    Wire("wrong-family", b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n" + PEER),
)
BINARY = (
    Wire("v2-tcp4", V2_TCP4 + PEER),
    Wire("v2-tcp6", V2_TCP6 + PEER),
    Wire("v2-local", V2_LOCAL + PEER),
    Wire("v2-udp", V2_UDP + PEER),
    Wire("v2-unix", V2_UNIX + PEER),
    Wire("v2-bad-version", V2_VERSION + PEER),
    Wire("v2-too-short", V2_SHORT + PEER),
    Wire("v2-more", V2_EXTRA + PEER),
)


def group(name, flags, *wires, conf=None, environ=()):
    return Case("edge/" + name, f"--access-logfile - {flags} app:app", group=wires, conf=conf, env=dict(environ))


CASES = [
    group("trusted", "", *SCHEMES, *NAMES),
    group("untrusted", "--forwarded-allow-ips 10.0.0.0/8", *SCHEMES, *NAMES),
    group("trusted-network", "--forwarded-allow-ips 127.0.0.0/8,::1", *SCHEMES[:2], *NAMES[:2]),
    group("trusted-all", "--forwarded-allow-ips *", *SCHEMES[:2], *NAMES[:2]),
    group("trusted-by-environment", "", *SCHEMES[:2], environ={"FORWARDED_ALLOW_IPS": "10.1.1.1"}),
    group("trusted-none", "--forwarded-allow-ips=", *SCHEMES[:2]),
    group(
        "own-scheme-header",
        "",
        probe("own", "X-Secure: yes"),
        probe("default", "X-Forwarded-Proto: https"),
        conf="secure_scheme_headers = {'X-SECURE': 'yes'}\n",
    ),
    group("header-map-refuse", "--header-map refuse", *NAMES[:4]),
    group("header-map-dangerous", "--header-map dangerous", *NAMES[:4]),
    group("forwarder-all", "--forwarder-headers *", *NAMES),
    group("forwarder-remote-user", "--forwarder-headers SCRIPT_NAME,REMOTE_USER", *NAMES[2:5]),
    group("proxy-v1", "--proxy-protocol v1", *LINES),
    group("proxy-auto", "--proxy-protocol auto", *LINES[:2], *BINARY),
    group("proxy-v1-gets-v2", "--proxy-protocol=v1", BINARY[0]),
    group(
        "proxy-v1-keep-alive",
        "--proxy-protocol v1 --threads 2",
        Wire(
            "twice", PROXIED + env("REMOTE_ADDR,REMOTE_PORT", "Connection: keep-alive") + env("REMOTE_ADDR,PROXY_ADDR"), answers=2
        ),
    ),
    group(
        "casefold",
        "--casefold-http-method --permit-unconventional-http-method",
        Wire("lower", get("/env?only=REQUEST_METHOD", method="get")),
        Wire("short", get("/env?only=REQUEST_METHOD", method="GE")),
    ),
    group(
        "unconventional-method",
        "--permit-unconventional-http-method",
        Wire("lower", get("/env?only=REQUEST_METHOD", method="get")),
        Wire("sign", get("/env?only=REQUEST_METHOD", method="GE#T")),
        Wire("long", get("/env?only=REQUEST_METHOD", method="A" * 30)),
    ),
    group(
        "unconventional-version",
        "--permit-unconventional-http-version",
        Wire("1.2", get("/env?only=SERVER_PROTOCOL").replace(b"/1.1\r\nHost", b"/1.2\r\nHost")),
    ),
    group("limit-line", "--limit-request-line 60", Wire("short", get("/a")), Wire("long", get("/" + "a" * 80))),
    group("limit-line-none", "--limit-request-line 0", Wire("long", get("/" + "a" * 6000))),
    group(
        "limit-fields",
        "--limit-request-fields 4",
        Wire("four", get("/", "A: 1", "B: 1")),
        Wire("five", get("/", "A: 1", "B: 1", "C: 1")),
    ),
    group(
        "limit-field-size",
        "--limit-request-field_size 50",
        Wire("fits", get("/", "A: " + "x" * 40)),
        Wire("too-large", get("/", "A: " + "x" * 60)),
    ),
]
