"""Exceptions, exits, forks and closed descriptors (rows 44, 48, 54, 56, 57)."""

import json
import os
import select
import signal

import pytest
from master import GP, HEADER, wait_until


def ask(worker, expression, **kwargs):
    return worker.get("/?" + expression, **kwargs)


def test_an_exception_is_logged_with_request_and_traceback(start):
    # row 44
    worker = start("zoo")
    r = ask(worker, "raiser(ValueError('why'))", method="POST", body=b"x")
    assert (r.kinds, r.abort) == (["ABORT"], GP["ABORT_RAISED"])
    level, text = worker.log()
    assert level == GP["LEVEL_ERROR"]
    lines = text.splitlines()
    assert lines[0] == "Error handling request POST /?raiser(ValueError('why'))"
    assert lines[1] == "Traceback (most recent call last):"
    assert any("in raiser" in line for line in lines)
    assert lines[-1] == "ValueError: why"
    assert ask(worker, "ok([b'next'])").body == b"next"


def test_chained_exceptions_are_logged_whole(start):
    worker = start("start_uncaught")
    ask(worker, "undefined_name")
    assert "NameError" in worker.log()[1]


@pytest.mark.parametrize("where", ["first", "second"])
def test_an_exception_while_iterating_aborts(start, where):
    # row 44
    worker = start("zoo")
    r = ask(worker, f"raise_in(e,s,'{where}')")
    assert r.kinds == (["ABORT"] if where == "first" else ["HEAD", "ABORT"])
    assert r.abort == GP["ABORT_RAISED"]
    assert "text with \\udc80 surrogate and \u20ac" in worker.log()[1]


def test_an_exception_in_iter_aborts(start):
    worker = start("zoo")
    assert ask(worker, "ok(Unready())").abort == GP["ABORT_RAISED"]
    assert "iter failed" in worker.log()[1]


def test_both_exceptions_are_logged_when_close_fails_too(start):
    worker = start("zoo")
    assert ask(worker, "ok(Closing(None,'n',ValueError('in close')))").abort == GP["ABORT_RAISED"]
    assert "TypeError" in worker.log()[1]
    assert "in close" in worker.log()[1]


def test_recursion_and_memory_errors_are_survived(start):
    # row 57
    worker = start("zoo")
    for expression, name in (("recurse(e,s)", "RecursionError"), ("memory(e,s)", "MemoryError")):
        for _ in range(3):
            assert ask(worker, expression).abort == GP["ABORT_RAISED"]
            assert name in worker.log()[1]
    assert ask(worker, "ok([b'next'])").body == b"next"


def test_an_exception_that_cannot_be_formatted_is_survived(start):
    worker = start("zoo")
    bad = "type('Bad',(Exception,),{'__str__':lambda s:1/0,'__repr__':lambda s:1/0})()"
    assert ask(worker, f"raiser({bad})").abort == GP["ABORT_RAISED"]
    assert "Bad" in worker.log()[1]
    broken = "[setattr(__import__('traceback'),'TracebackException',None),raiser(ValueError())]"
    assert ask(worker, broken).abort == GP["ABORT_RAISED"]
    assert "ValueError (no traceback" in worker.log()[1]


def test_a_long_traceback_is_cut_to_a_packet(start):
    worker = start("zoo")
    ask(worker, "raiser(ValueError('\\u20ac'*100000))")
    frame = worker.packet()
    assert GP["MAX_PACKET"] - 16 - 3 <= len(frame.payload) <= GP["MAX_PACKET"] - 16
    frame.payload.decode()


def test_a_full_control_socket_never_blocks_the_worker(start):
    worker = start("zoo")
    error = worker.process.stderr
    for _ in range(400):
        ask(worker, "1/0")
        if select.select([error], [], [], 0)[0]:
            break
    else:
        raise AssertionError("the log went neither to the control socket nor to standard error")
    assert b"Error handling request GET /?1/0" in os.read(error.fileno(), 65536)


@pytest.mark.parametrize("name", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()"])
@pytest.mark.parametrize("where", ["raiser(%s)", "ok(raiser(%s) for _ in [1])", "ok(Closing([b'a'],'n',%s))"])
def test_exits_of_the_application_retire_the_worker(start, name, where):
    # row 48
    worker = start("zoo")
    r = ask(worker, where.replace("%s", name))
    if "Closing" in where:
        assert (r.kinds, r.abort) == (["HEAD", "BODY+END"], None)
    else:
        assert (r.kinds, r.abort) == (["ABORT"], GP["ABORT_EXIT"])
    level, text = worker.log()
    assert level == GP["LEVEL_ERROR"]
    assert name.partition("(")[0] in text
    assert worker.retiring() == GP["RETIRE_APP_EXIT"]
    assert worker.stderr() == ""
    # an interpreter that saw KeyboardInterrupt leave eval() ends itself with SIGINT when main is done
    assert worker.process.returncode in (0, -signal.SIGINT if "Keyboard" in name else 0)
    assert worker.packet() is None
    assert worker.streams[0].frame() is None


def test_other_base_exceptions_do_not_retire(start):
    worker = start("zoo")
    assert ask(worker, "raiser(BaseException('x'))").abort == GP["ABORT_RAISED"]
    assert ask(worker, "raiser(__import__('asyncio').CancelledError())").abort == GP["ABORT_RAISED"]
    assert ask(worker, "ok([b'next'])").body == b"next"


@pytest.mark.parametrize("how", ["exit", "interrupt"])
def test_an_exit_raised_by_a_signal_handler_while_idle_retires(start, how):
    # row 48
    worker = start("signals")
    ask(worker, how)

    def waiting():
        with open(f"/proc/{worker.process.pid}/wchan") as f, open(f"/proc/{worker.process.pid}/stat") as g:
            return f.read() not in ("", None) and g.read().rpartition(")")[2].split()[0] == "S"

    wait_until(waiting, "the worker to wait")
    worker.process.send_signal(signal.SIGUSR1)
    assert worker.retiring() == GP["RETIRE_APP_EXIT"]
    assert worker.stderr() == ""
    assert worker.process.returncode == 0


def test_the_exception_state_is_clean_in_every_request(start):
    worker = start("zoo")
    for expression in ("1/0", "raise_in(e,s,'second')", "None", "ok(Closing([b'a'],'n',ValueError()))"):
        ask(worker, expression)
        assert json.loads(ask(worker, "closed(e,s)").body)[1] == "(None, None, None)"


@pytest.mark.parametrize("app", ["fork_returns", "fork_yields", "fork_writes"])
def test_a_child_that_returns_into_the_server_is_ended(start, app):
    # row 54
    worker = start(app)
    for _ in range(3):
        r = worker.get("/")
        assert (r.body, r.abort) == (b"0", None)
    worker.queue.close()
    assert "a child forked by the application returned into the server" in worker.stderr()
    assert worker.process.returncode == 0


def test_a_child_that_raises_into_the_server_is_ended(start):
    # row 54
    worker = start("fork_returns")
    assert worker.get("/?raise").body == b"0"
    worker.quiet()


def test_subprocess_and_multiprocessing_work_in_a_request(start):
    # row 54
    worker = start("zoo")
    run = "ok([__import__('subprocess').run(['echo','out'],capture_output=True).stdout])"
    assert ask(worker, run).body == b"out\n"
    pool = "ok([str(__import__('multiprocessing').get_context('fork').Pool(2).map(abs,[-1,2])).encode()])"
    assert ask(worker, pool).body == b"[1, 2]"


@pytest.mark.parametrize("which", ["stream", "file"])
def test_a_closed_stream_ends_the_worker(start, which):
    # row 56
    worker = start("close_descriptors")
    worker.send(f"/?{which}")
    assert "the response stream of worker 11259375 was closed by the application" in worker.stderr()
    assert worker.process.returncode == 70


def test_a_closed_queue_ends_the_worker(start):
    # row 56
    worker = start("close_descriptors")
    assert worker.get("/?queue").body == b"closed"
    assert "the request queue of worker" in worker.stderr()
    assert worker.process.returncode == 70


def test_a_stream_closed_by_the_master_ends_the_worker_after_close(start):
    worker = start("zoo")
    worker.send("/?huge(e,s)")
    worker.streams[0].frame()
    worker.streams[0].sock.close()
    assert worker.stderr() == ""
    assert worker.process.returncode == 0


def test_requests_that_are_not_ours_are_dropped(start):
    worker = start("hello")
    slot, _ = worker.send("/", queued=False)  # FREE
    worker.queue_slot(20, 5)
    worker.raw(HEADER.pack(8, GP["KIND_REQUEST"], 0, 0, 20, 4) + bytes(8))  # an older generation
    worker.raw(HEADER.pack(8, GP["KIND_REQUEST"], 0, 0, 1 << 31, 4) + bytes(8))  # no such slot
    fd = os.memfd_create("body")
    for _ in range(5):
        worker.raw(HEADER.pack(8, GP["KIND_REQUEST"], GP["FLAG_BODY_FD"], 0, 20, 4) + bytes(8), [fd])
    os.close(fd)
    assert worker.get("/").body == b"Hello, World!\n"
    assert worker.slot(slot)["state"] == GP["SLOT_STATE_FREE"]
    assert worker.slot(20)["state"] == GP["SLOT_STATE_QUEUED"]
    listing = [os.readlink(f"/proc/{worker.process.pid}/fd/{n}") for n in os.listdir(f"/proc/{worker.process.pid}/fd")]
    assert not any("memfd:body" in name for name in listing)


def test_the_same_packet_starts_once(start):
    worker = start("hello")
    worker.queue_slot(3, 9)
    for _ in range(3):
        worker.raw(HEADER.pack(8, GP["KIND_REQUEST"], 0, 0, 3, 9) + bytes(8))
    assert worker.response().status == 200
    worker.get("/")
    worker.quiet()
