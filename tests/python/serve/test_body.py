"""What an application may return, and what is sent for it (rows 42 to 47)."""

import json
import os

import pytest
from master import GP, wait_until


def ask(worker, expression, **kwargs):
    return worker.get("/?" + expression, **kwargs)


ONE_FRAME = {
    "ok([b'one'])": b"one",
    "ok((b'one',))": b"one",
    "ok([])": b"",
    "ok(())": b"",
    "ok([b''])": b"",
    "ok([b'a', b'', b'b', b'c'])": b"abc",
    "ok((b'a', b'b'))": b"ab",
    "ok([b'x' * 200000])": b"x" * 200000,
    "ok([b'x' * 1000] * 60)": b"x" * 60000,
    "ok([b'abc'], [('Content-Length', '3')])": b"abc",
    "ok([], [('Content-Length', '0')])": b"",
    "ok(iter([b'abc']), [('Content-Length', '3')])": b"abc",
    "ok(iter([]))": b"",
    "ok(iter([b'', b'']))": b"",
    "ok(Closing([b'abc']), [('Content-Length', '3')])": b"abc",
}


def test_small_responses_are_one_frame(start):
    worker = start("zoo")
    for expression, body in ONE_FRAME.items():
        r = ask(worker, expression)
        assert (r.kinds, r.body) == (["HEAD+END"], body), expression
    worker.quiet()


def test_pieces_of_an_iterator_are_sent_at_once_and_empty_ones_not(start):
    # row 47
    worker = start("generator")
    r = worker.get("/")
    assert r.kinds == ["HEAD", "BODY", "BODY", "BODY+END"]
    assert [f.payload for f in r.frames[1:]] == [b"two,", b"three", b""]
    assert r.body == b"one,two,three"


def test_late_start_response_works(start):
    worker = start("late")
    r = worker.get("/")
    assert (r.status, r.headers, r.body) == (201, [("Late", "yes")], b"late")


def test_content_length_puts_end_on_the_last_piece(start):
    worker = start("zoo")
    r = ask(worker, "generator(e,s,[('Content-Length','13')])")
    assert r.kinds == ["HEAD", "BODY", "BODY+END"]
    assert r.body == b"one,two,three"
    worker.quiet()


@pytest.mark.parametrize("size", [300_000, 1_048_576, 5_000_000])
@pytest.mark.parametrize(
    "make", ["ok([b'z'*%d])", "ok(iter([b'z'*%d]))", "ok([b'z'*%d],[('Content-Length','%d')])", "ok([b'z'*%d, b'z'*0])"]
)
def test_large_bodies_are_cut_into_frames(start, make, size):
    worker = start("zoo")
    r = ask(worker, make.replace("%d", str(size)))
    assert r.body == b"z" * size
    assert r.abort is None
    most = 1 << 20  # bytes of body in one frame
    assert all(len(f.payload) <= GP["MAX_FRAME"] for f in r.frames)
    assert sum(len(f.payload) > 1024 for f in r.frames) == -(-size // most)


@pytest.mark.parametrize("size", [65_536, 65_537, 1_048_576, 2_000_000])
@pytest.mark.parametrize("make", ["ok([b'z'*%d])", "ok(iter([b'z'*%d]))", "ok([b'y'*9, b'z'*(%d-9)])"])
def test_large_bodies_go_by_the_tray(start, make, size):
    worker = start("zoo", tray=True)
    r = ask(worker, make.replace("%d", str(size)))
    assert len(r.body) == size
    assert r.body.strip(b"z") in (b"", b"y" * 9)
    assert any(f.flags & GP["FLAG_TRAY"] for f in r.frames) == (size > 65_536)
    assert sum(len(f.payload) for f in r.frames) < 66_000
    worker.quiet()


def test_a_body_for_which_no_place_is_free_goes_by_the_stream(start):
    worker = start("zoo", tray=True)
    worker.keep_tray = True
    for expected in [True, True, False, False]:
        r = ask(worker, "ok([b'z'*300000])")
        assert r.body == b"z" * 300_000
        assert bool(r.frames[0].flags & GP["FLAG_TRAY"]) == expected


def test_a_nonblocking_stream_works_too(start):
    worker = start("zoo", nonblocking=True)
    worker.send("/?ok([b'z'*5000000])")
    assert worker.response().body == b"z" * 5_000_000
    worker.send("/?ok([b'x'])")
    assert worker.response().body == b"x"


def test_many_small_items(start):
    worker = start("zoo")
    assert ask(worker, "ok(big(1000000))").body == b"".join(bytes([65 + i % 26]) * 1000 for i in range(1000))
    assert ask(worker, "ok(iter(big(1000000)))").body == b"".join(bytes([65 + i % 26]) * 1000 for i in range(1000))


WRONG = {
    "None": "returned None; it must return an iterable of bytes",
    "ok(None)": "returned None; it must return an iterable of bytes",
    "ok('text')": "returned str; it must return an iterable of bytes",
    "ok(b'bytes')": "returned bytes; it must return an iterable of bytes, for instance [body]",
    "ok(5)": "returned int; it must return an iterable",
    "ok(Plain())": "returned Plain; it must return an iterable",
    "ok(['text'])": "holds an item of type str, but every item must be bytes: encode the text",
    "ok([b'a','text'])": "holds an item of type str",
    "ok(iter(['text']))": "holds an item of type str",
    "ok([bytearray(b'x')])": "holds an item of type bytearray",
    "ok([memoryview(b'x')])": "holds an item of type memoryview",
    "ok([None])": "holds None",
    "ok(bytearray(b'x'))": "holds an item of type int",
    "[b'x']": "did not call start_response",
    "[]": "did not call start_response",
    "iter([b'x'])": "did not call start_response",
    "iter([])": "did not call start_response",
    "e['wsgi.file_wrapper'](temp())": "did not call start_response",
    "ok([b'abc'],[('Content-Length','4')])": "announced Content-Length 4 but gave 3 bytes",
    "ok([],[('Content-Length','4')])": "announced Content-Length 4 but gave 0 bytes",
    "ok(iter([]),[('Content-Length','4')])": "announced Content-Length 4 but gave 0 bytes",
    "ok(e['wsgi.file_wrapper'](temp()),[('Content-Length','11')])": "announced Content-Length 11 but gave 10 bytes",
}


def test_wrong_results_abort_with_a_message_that_names_the_fix(start):
    # rows 42, 45
    worker = start("zoo")
    for expression, want in WRONG.items():
        r = ask(worker, expression)
        assert (r.kinds, r.abort) == (["ABORT"], GP["ABORT_PROTOCOL"]), expression
        level, text = worker.log()
        assert level == GP["LEVEL_ERROR"]
        assert text.startswith("Error handling request GET /?")
        assert want in text, expression
        assert ask(worker, "ok([b'next'])").body == b"next"
    worker.quiet()


def test_a_wrong_item_after_the_head_aborts(start):
    worker = start("zoo")
    r = ask(worker, "ok(iter([b'one', 'two']))")
    assert (r.kinds, r.abort, r.body) == (["HEAD", "ABORT"], GP["ABORT_PROTOCOL"], b"one")


def test_a_body_shorter_than_content_length_is_aborted(start):
    # row 42
    worker = start("zoo")
    r = ask(worker, "ok(iter([b'ab', b'c']),[('Content-Length','4')])")
    assert (r.kinds, r.abort) == (["HEAD", "BODY", "ABORT"], GP["ABORT_PROTOCOL"])
    assert "announced Content-Length 4 but gave 3 bytes" in worker.log()[1]


@pytest.mark.parametrize(
    "make",
    [
        "[b'abcdef']",
        "[b'ab',b'cd',b'ef']",
        "iter([b'abcdef'])",
        "iter([b'ab',b'cd',b'ef'])",
        "iter([b'abc',b'd'])",
        "endless_from(b'abc')",
    ],
)
def test_a_body_longer_than_content_length_is_cut(start, make):
    # row 42
    worker = start("zoo")
    make = make.replace("endless_from(b'abc')", "__import__('itertools').repeat(b'abc')")
    r = ask(worker, f"ok({make},[('Content-Length','3')])")
    assert (r.body, r.abort) == (b"abc", None)
    level, text = worker.log()
    assert level == GP["LEVEL_WARNING"]
    assert "more than its Content-Length of 3 bytes" in text
    worker.quiet()


@pytest.mark.parametrize(
    "result", ["ok([b'abc'],h)", "ok(iter([b'abc',b'd']),h)", "[s('200 OK',h)(b'abc'),[]][1]", "ok([b'abc',b'd'],h)"]
)
def test_head_has_the_head_of_get_without_body(start, result):
    # row 43
    worker = start("zoo")
    result = result.replace("h)", "[('Content-Length','4'),('A','b')])").replace("',h", "',[('Content-Length','4')]")
    for _ in range(2):
        r = ask(worker, result, method="HEAD")
        assert (r.kinds, r.body, r.abort) == (["HEAD+END"], b"", None)
        assert r.header("Content-Length") == "4"
    level, text = worker.log()
    assert level == GP["LEVEL_WARNING"]
    assert "gave a body in answer to HEAD" in text
    worker.quiet()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_body(start, status):
    # row 43
    worker = start("zoo")
    for _ in range(2):
        r = ask(worker, f"ok([b'abc'],[('Content-Length','3')],'{status}')")
        assert (r.kinds, r.body) == (["HEAD+END"], b"")
        assert r.header("Content-Length") == (None if status.startswith("204") else "3")
    assert "gave a body with status" in worker.log()[1]
    worker.quiet()
    assert ask(worker, f"ok(iter([b'']),[],'{status}')").kinds == ["HEAD+END"]


def test_head_of_an_iterator_runs_it_to_its_end_and_closes_it(start):
    worker = start("zoo")
    r = ask(worker, "ok(Closing([b'a',b'b']))", method="HEAD")
    assert r.kinds == ["HEAD+END"]
    assert json.loads(ask(worker, "closed(e,s)").body)[0] == ["closing"]


def test_iteration_by_getitem_works(start):
    worker = start("zoo")
    assert ask(worker, "ok(OldStyle())").body == b"ab"


CLOSES = {
    "ok(Closing([b'a']))": None,
    "ok(Closing([]))": None,
    "ok(Closing([b'a'],'n'),[('Content-Length','1')])": None,
    "ok(Closing([b'a', 'text']))": "ABORT_PROTOCOL",
    "Closing([b'a'])": "ABORT_PROTOCOL",
    "ok(Closing(raise_in(e,lambda *a:0,'second')))": "ABORT_RAISED",
    "ok(Closing(None))": "ABORT_RAISED",
    "ok(Closing([b'a'],'n'),[('Content-Length','9')])": "ABORT_PROTOCOL",
}


def test_close_is_called_exactly_once(start):
    # row 44
    worker = start("zoo")
    for expression, abort in CLOSES.items():
        r = ask(worker, expression)
        assert r.abort == (GP[abort] if abort else None), expression
        names, exc = json.loads(ask(worker, "closed(e,s)").body)
        assert len(names) == 1, expression
        assert exc == "(None, None, None)"


def test_an_exception_in_close_after_the_response_is_only_logged(start):
    # row 44
    worker = start("zoo")
    r = ask(worker, "ok(Closing([b'a'],'n',ValueError('in close')))")
    assert (r.body, r.abort) == (b"a", None)
    text = worker.log()[1]
    assert text.splitlines()[0].endswith("(in close() of the response)")
    assert "ValueError: in close" in text
    assert ask(worker, "ok([b'next'])").body == b"next"


def test_the_rest_of_a_generator_runs_after_the_last_byte(start):
    worker = start("zoo")
    ask(worker, "ok((x for x in [b'abc', CLOSED.append('rest') or b'']),[('Content-Length','3')])")
    assert json.loads(ask(worker, "closed(e,s)").body)[0] == ["rest"]


@pytest.mark.parametrize("app", ["huge", "write_huge", "slow"])
def test_an_abandoned_stream_is_closed_promptly(start, app):
    # row 46
    worker = start("zoo")
    slot, _ = worker.send("/?" + ("slow_iterator(e,s)" if app == "slow" else f"{app}(e,s)"))
    worker.streams[0].frame()
    worker.abandon(slot)
    r = None
    while r is None or r.kind != GP["KIND_ABORT"]:
        r = worker.streams[0].frame()
    assert r.aux == GP["ABORT_GONE"]
    assert worker.slot(slot)["state"] == GP["SLOT_STATE_DONE"]
    assert json.loads(ask(worker, "closed(e,s)").body)[0] == [app]
    worker.quiet()


def test_back_pressure_bounds_what_a_stream_holds(start):
    # row 47
    worker = start("zoo")
    slot, _ = worker.send("/?huge(e,s)")
    worker.streams[0].frame()

    def state():
        with open(f"/proc/{worker.process.pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]

    wait_until(lambda: state() == "S", "the worker to block in its send")
    with open(f"/proc/{worker.process.pid}/statm") as f:
        assert int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") < 500 << 20
    worker.abandon(slot)
    while worker.streams[0].frame().kind != GP["KIND_ABORT"]:
        pass


def test_other_threads_run_while_a_send_waits(start):
    worker = start("dispatch", threads=2)
    slot, _ = worker.send("/bystander")
    wait_until(lambda: worker.slot(slot)["state"] == GP["SLOT_STATE_RUNNING"], "the first request to run")
    busy = worker.slot(slot)["thread"]
    worker.send("/hello")
    assert worker.response(1 - busy).body == b"Hello, World!\n"
    assert len(worker.response(busy).body) == 1_600_000


def test_threads_of_an_application_may_write_to_one_response(start):
    worker = start("two_writers")
    r = worker.get("/")
    assert len(r.body) == 6_000_000
    assert {r.body.count(c) for c in (b"a", b"b", b"c")} == {2_000_000}


FILES = {
    "wrapper(e,s,temp())": (0, 10, b"0123456789"),
    "wrapper(e,s,temp(position=4))": (4, 6, b"456789"),
    "wrapper(e,s,temp(),[('Content-Length','3')])": (0, 3, b"012"),
    "wrapper(e,s,__import__('tempfile').NamedTemporaryFile())": None,
    "wrapper(e,s,open(__file__,'rb'))": "apps",
    "wrapper(e,s,open(__file__,'rb',buffering=0))": "apps",
}


def test_plain_files_are_sent_as_descriptors(start):
    worker = start("zoo")
    for expression, want in FILES.items():
        r = ask(worker, expression)
        if want is None:
            assert r.kinds == ["HEAD+END"]
            continue
        if want == "apps":
            with open(os.path.join(os.path.dirname(__file__), "apps.py"), "rb") as f:
                content = f.read()
            want = (0, len(content), content)
        assert r.kinds == ["HEAD", "FILE+END"], expression
        assert (*r.file, r.body) == want
    worker.quiet()


NOT_DESCRIPTORS = {
    "wrapper(e,s,io.BytesIO(b'in memory'))": b"in memory",
    "wrapper(e,s,pipe())": b"piped",
    "wrapper(e,s,upper())": b"SHOUT",
    "wrapper(e,s,gzipped())": b"unpacked",
    "wrapper(e,s,io.BufferedReader(gzipped()))": b"unpacked",
    "wrapper(e,s,temp(position=10))": b"",
    "wrapper(e,s,Noted(b'x'*20000))": b"x" * 20000,
    "iterated(e,s)": b"012|3456789",
}


def test_other_files_are_read(start):
    worker = start("zoo")
    for expression, body in NOT_DESCRIPTORS.items():
        r = ask(worker, expression)
        assert (r.file, r.body, r.abort) == (None, body, None), expression
    assert json.loads(ask(worker, "closed(e,s)").body)[0] == ["file", "closing"]


def test_files_are_closed_and_descriptors_do_not_leak(start):
    worker = start("zoo")
    ask(worker, "[KEPT.append(temp()),wrapper(e,s,KEPT[0])][1]")
    assert ask(worker, "ok([b'%d'%KEPT[0].closed])").body == b"1"
    before = len(os.listdir(f"/proc/{worker.process.pid}/fd"))
    for _ in range(20):
        ask(worker, "wrapper(e,s,temp())")
        ask(worker, "wrapper(e,s,temp())", method="HEAD")
    ask(worker, "ok([])")  # a file is closed after the response was sent: begin one request more
    assert len(os.listdir(f"/proc/{worker.process.pid}/fd")) == before


def test_a_file_after_write_follows_what_was_written(start):
    worker = start("zoo")
    r = ask(worker, "[s('200 OK',[])(b'first,'),e['wsgi.file_wrapper'](temp())][1]")
    assert r.kinds == ["HEAD", "FILE+END"]
    assert r.body == b"first,0123456789"


def test_wrapper_arguments(start):
    worker = start("zoo")
    assert (
        ask(worker, "ok([repr((e['wsgi.file_wrapper'](1,5).blksize,e['wsgi.file_wrapper'](filelike=2).filelike)).encode()])").body
        == b"(5, 2)"
    )
    assert ask(worker, "e['wsgi.file_wrapper'](1,0)").abort == GP["ABORT_RAISED"]
