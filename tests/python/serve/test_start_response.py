"""start_response and wsgi.early_hints: what they refuse, drop and pass on (rows 39 to 43)."""

from urllib.parse import quote

import pytest
from master import GP


def ask(worker, expression, **kwargs):
    return worker.get("/?" + expression, **kwargs)


REFUSED = {
    # status, row 40
    "(b'200 OK', [])": "TypeError: status must be str like '200 OK', not bytes",
    "(200, [])": "TypeError: status must be str",
    "(None, [])": "TypeError: status must be str",
    "('', [])": "ValueError: status must be three digits",
    "('20 OK', [])": "ValueError: status must be three digits",
    "('099 Low', [])": "ValueError: status must be three digits",
    "('1000 High', [])": "ValueError: status must be three digits",
    "('2x0 OK', [])": "ValueError: status must be three digits",
    "('200OK', [])": "ValueError: status must be three digits",
    "(' 200 OK', [])": "ValueError: status must be three digits",
    r"('200 O\r\nK', [])": "ValueError: status must be three digits",
    r"('200 O\x00K', [])": "ValueError: status must be three digits",
    r"('200 \u20ac', [])": "ValueError: status is not latin-1",
    # headers
    "('200 OK', ())": "TypeError: headers must be a list of (name, value) tuples, not tuple",
    "('200 OK', None)": "TypeError: headers must be a list of (name, value) tuples, not NoneType",
    "('200 OK', {'a': 'b'})": "TypeError: headers must be a list",
    "('200 OK', [['A', 'b']])": "TypeError: headers must be a list of (name, value) tuples, but item 0 is ['A', 'b']",
    "('200 OK', [('A', 'b'), ('A',)])": "TypeError: headers must be a list of (name, value) tuples, but item 1 is ('A',)",
    "('200 OK', ['Ab'])": "TypeError: headers must be a list",
    "('200 OK', [(b'A', 'b')])": "TypeError: header name b'A' must be str, not bytes",
    "('200 OK', [('A', b'b')])": "TypeError: value of header 'A' must be str, not bytes",
    "('200 OK', [('A', 1)])": "TypeError: value of header 'A' must be str, not int",
    "('200 OK', [('A', None)])": "TypeError: value of header 'A' must be str, not NoneType",
    "('200 OK', [('', 'b')])": "ValueError: header name '' is not a token",
    "('200 OK', [('A b', 'b')])": "ValueError: header name 'A b' is not a token",
    "('200 OK', [('A:', 'b')])": "ValueError: header name 'A:' is not a token",
    r"('200 OK', [('A\n', 'b')])": "ValueError: header name 'A\\n' is not a token",
    r"('200 OK', [('\xe9', 'b')])": "is not a token",
    r"('200 OK', [('\u20ac', 'b')])": "is not a token",
    "('200 OK', [('A' * 70000, 'b')])": "is not a token",
    r"('200 OK', [('Set-Cookie', 'a\r\nX: y')])": "ValueError: value of header 'Set-Cookie' contains a control character",
    r"('200 OK', [('A', 'a\n')])": "ValueError: value of header 'A' contains a control character",
    r"('200 OK', [('A', '\x00')])": "ValueError: value of header 'A' contains a control character",
    r"('200 OK', [('A', '0123456789abcdef\x7f0123456789')])": "ValueError: value of header 'A' contains a control character",
    r"('200 OK', [('A', '\u20ac')])": "ValueError: value of header 'A' is not latin-1",
    # Content-Length, row 42
    "('200 OK', [('Content-Length', '')])": "ValueError: header 'Content-Length' must be a decimal number",
    "('200 OK', [('Content-Length', '-1')])": "ValueError: header 'Content-Length' must be a decimal number",
    "('200 OK', [('Content-Length', '+1')])": "ValueError: header 'Content-Length' must be a decimal number",
    "('200 OK', [('content-length', '1e1')])": "ValueError: header 'Content-Length' must be a decimal number",
    "('200 OK', [('Content-Length', '5, 5')])": "ValueError: header 'Content-Length' must be a decimal number",
    "('200 OK', [('Content-Length', '1' * 30)])": "ValueError: header 'Content-Length' must be a decimal number",
    "('200 OK', [('Content-Length', '5'), ('CONTENT-LENGTH', '5')])": "ValueError: header 'Content-Length' is set twice",
    # sizes
    "('200 OK', [('A', 'b' * 300000)])": "ValueError: the response head is larger than",
    "('200 OK', [('A', 'b')] * 70000)": "ValueError: the response head is larger than",
    # arguments
    "('200 OK',)": "TypeError: start_response(status, headers, exc_info=None) was called with wrong arguments",
    "('200 OK', [], None, None)": "TypeError: start_response(status, headers, exc_info=None) was called with wrong arguments",
    "('200 OK', [], 1)": "TypeError: exc_info must be the tuple",
    "('200 OK', [], (None, None, None))": "TypeError: exc_info must be the tuple",
}


def test_what_is_wrong_is_raised_inside_start_response(start):
    # rows 39, 40, 42
    worker = start("start_with")
    for expression, want in REFUSED.items():
        r = ask(worker, expression)
        assert want in (r.header("Raised") or ""), expression
        assert r.body == b"body"
    worker.quiet()


def test_an_uncaught_refusal_aborts_and_names_the_header(start):
    # row 39
    worker = start("start_uncaught")
    r = ask(worker, r"('200 OK', [('Set-Cookie', 'a\r\nX: y')])")
    assert r.kinds == ["ABORT"]
    assert r.abort == GP["ABORT_RAISED"]
    level, text = worker.log()
    assert level == GP["LEVEL_ERROR"]
    assert "Error handling request GET /?" in text
    assert "value of header 'Set-Cookie' contains a control character" in text
    assert "start_uncaught" in text


def test_every_control_character_is_refused_at_every_place(start):
    # row 39
    worker = start("start_with")
    for code in [*range(32), 127]:
        for place in (0, 1, 7, 8, 9, 20):
            r = ask(worker, f"('200 OK', [('A', 'v' * {place} + chr({code}) + 'v' * 9)])")
            assert (r.header("Raised") is None) == ((code == 9 and place > 0) or code == 9), (code, place)


def test_latin_1_passes_and_white_space_around_values_is_cut(start):
    worker = start("start_with")
    high = "".join(map(chr, range(0x80, 0x100)))
    r = ask(
        worker,
        "('299 Caf\\xe9', [('A', ''.join(map(chr, range(0x80, 0x100)))), ('B', ' \\t b\\tb \\t'), ('C', ''), ('D', '  ')])",
    )
    assert (r.status, r.reason) == (299, "Caf\xe9")
    assert r.headers == [("A", high), ("B", "b\tb"), ("C", ""), ("D", "")]


@pytest.mark.parametrize("status", ["100 C", "200 OK", "404 ", "599 X", "999 Y"])
def test_statuses_that_pass(start, status):
    worker = start("start_with")
    assert ask(worker, f"('{status}', [])").status == int(status[:3])


def test_hop_by_hop_headers_are_dropped_with_one_warning_each(start):
    # row 41
    worker = start("start_with")
    hop = [
        "Connection",
        "Keep-Alive",
        "Transfer-Encoding",
        "Upgrade",
        "TE",
        "Trailer",
        "Trailers",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
    ]
    for name in hop:
        for spelling in (name, name.lower(), name.upper()):
            r = ask(worker, f"('200 OK', [('{spelling}', 'x'), ('X-{spelling}', 'kept')])")
            assert r.headers == [(f"X-{spelling}", "kept")]
        level, text = worker.log()
        assert level == GP["LEVEL_WARNING"]
        assert f"set the header {name};" in text
    for name in ("Server", "date"):
        assert ask(worker, f"('200 OK', [('{name}', 'x')])").headers == []
    worker.quiet()


def test_keyword_arguments_are_accepted(start):
    worker = start("zoo")
    r = ask(worker, "[s(status='202 OK',headers=[('A','b')],exc_info=None),[b'x']][1]")
    assert (r.status, r.headers, r.body) == (202, [("A", "b")], b"x")
    assert "wrong arguments" in ask_error(worker, "s('200 OK',[],what=1)")
    assert "wrong arguments" in ask_error(worker, "s('200 OK',[],status='x')")
    assert "wrong arguments" in ask_error(worker, "s(headers=[])")


def ask_error(worker, expression):
    assert ask(worker, expression).abort == GP["ABORT_RAISED"]
    return worker.log()[1]


def test_a_second_call_without_exc_info_is_an_assertion_error(start):
    # row 45
    worker = start("zoo")
    text = ask_error(worker, "[s('200 OK',[]),s('200 OK',[])]")
    assert "AssertionError: start_response was called a second time without exc_info" in text


def test_after_a_refused_call_start_response_may_be_called_again(start):
    worker = start("start_with")
    assert ask(worker, "('20', [])").status == 200


def test_a_status_needs_no_reason(start):
    worker = start("zoo")
    r = ask(worker, "[s('204',[]),[]][1]")
    assert (r.status, r.reason) == (204, "")


def test_exc_info_replaces_the_head_before_it_was_sent(start):
    # row 44
    worker = start("zoo")
    r = ask(worker, "start_twice(e,s,False)")
    assert (r.status, r.headers, r.body) == (500, [("Second", "2")], b"second")
    worker.quiet()


def test_exc_info_is_raised_again_after_the_head_was_sent(start):
    # row 44
    worker = start("zoo")
    r = ask(worker, "start_twice(e,s,True)")
    assert r.kinds == ["HEAD", "ABORT"]
    assert (r.status, r.body, r.abort) == (200, b"first", GP["ABORT_RAISED"])
    text = worker.log()[1]
    assert text.rstrip().endswith("ValueError: the view failed")
    assert "start_twice" in text


def test_write_is_returned_and_sends_at_once(start):
    worker = start("write_app")
    r = worker.get("/")
    assert r.kinds == ["HEAD", "BODY", "BODY+END"]
    assert r.body == b"written,twice,returned"
    worker2 = start("write_bad")
    assert worker2.get("/").body == b"write(data) takes one argument, which must be bytes"


def test_early_hints_are_sent_before_the_head_only(start):
    worker = start("hints")
    r = worker.get("/")
    assert r.kinds == ["INTERIM", "INTERIM", "HEAD", "BODY", "BODY+END"]
    assert r.interim == [(103, [("Link", "</a.css>; rel=preload")]), (103, [("Link", "</b.css>; rel=preload")])]
    assert "is not a token" in r.header("Error")
    assert r.body == b"onetwo"


def test_early_hints_take_what_gunicorn_takes(start):
    worker = start("hints_of_all_kinds")
    r = worker.get("/")
    assert r.interim == [(103, [("Link", "</a>"), ("Link", "</b>"), ("Link", "</c>"), ("Link", "caf\xe9")])]
    assert r.body.decode().splitlines() == [
        "TypeError: headers must be a list of (name, value) tuples, but item 0 is ('Link',)",
        "TypeError: 'int' object is not iterable",
        "ValueError: value of header 'Link' contains a control character: 'a\\r\\nb'",
        "nothing",
    ]


def test_early_hints_are_nothing_for_http_1_0(start):
    worker = start("hints")
    r = worker.get("/", protocol="HTTP/1.0")
    assert r.interim == []
    assert r.status == 200
    assert worker.get("/").interim != []


def test_targets_cannot_forge_log_lines(start):
    # row 68
    worker = start("zoo")
    worker.get("/?" + quote("1/0") + "\r\nforged\x85\xa0\xe9", method="GE\nT")
    assert worker.log()[1].splitlines()[0] == "Error handling request GE?T /?1/0??forged?\xa0\xe9"
