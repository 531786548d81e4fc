"""begin and end, which run around each request when the configuration has hooks or a logger of its own."""

import json
import os
import select
import subprocess
import sys
import tempfile

import pytest
from master import GP

DONE, RAISED, PROTOCOL, GONE = 0, 1, 2, 3  # gp_outcome


def ended(worker, stream=0):
    """Returns what end() was called with since the last time."""
    worker.send("/ended")
    return json.loads(worker.response(stream).body)


def last(worker):
    (call,) = ended(worker)
    return call


@pytest.fixture
def worker(start):
    worker = start("hooked", begin="begin", end="end")
    yield worker


@pytest.fixture
def one(worker):
    """Serves one request and returns its response and what end() got, but not the time."""

    def serve(expression, **options):
        worker.send("/?" + expression, **options)
        r = worker.response()
        call = last(worker)
        assert 0 < call.pop() < 60e9
        assert call.pop(0) is True
        ended(worker)
        return r, call

    return serve


def test_around_a_list(one):
    r, call = one("ok([b'abc'],[('X-A','1'),('Content-Length','3')])")
    assert r.body == b"abc"
    assert call == [DONE, "200 OK", [["X-A", "1"], ["Content-Length", "3"]], 3, 3]


def test_around_a_generator(one):
    assert one("ok(x for x in [b'a', b'bc'])")[1] == [DONE, "200 OK", [], -1, 3]


def test_around_write(one):
    assert one("[s('201 Made',[])(b'abcd'),[]][1]")[1] == [DONE, "201 Made", [], -1, 4]


def test_around_a_file(one):
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"x" * 70000)
        f.flush()
        r, call = one(f"[s('200 OK',[]),e['wsgi.file_wrapper'](open('{f.name}','rb'))][1]")
    assert (r.kinds, len(r.body)) == (["HEAD", "FILE+END"], 70000)
    assert call == [DONE, "200 OK", [], -1, 70000]


def test_around_head(one):
    r, call = one("ok([b'abc'],[('Content-Length','3')])", method="HEAD")
    assert r.body == b""
    assert call == [DONE, "200 OK", [["Content-Length", "3"]], 3, 0]


def test_around_an_exception_before_the_head(one, worker):
    r, call = one("1/0")
    assert (r.kinds, r.abort) == (["ABORT"], GP["ABORT_RAISED"])
    assert call == [RAISED, None, None, -1, 0]
    assert "ZeroDivisionError" in worker.log()[1]


def test_around_an_exception_within_the_body(one, worker):
    _, call = one("raise_in(e,s,'second')")
    assert call[:2] == [RAISED, "200 OK"]
    assert call[4] > 0
    worker.log()


def test_around_a_broken_protocol(one, worker):
    assert one("ok(['text'])")[1] == [PROTOCOL, "200 OK", [], -1, 0]
    worker.log()


def test_around_a_client_that_left(worker):
    release = os.path.join(tempfile.mkdtemp(), "fifo")
    os.mkfifo(release)
    slot, _ = worker.send(f"/?ok(x for x in [b'a', open('{release}','rb').read(), b'c'])")
    with open(release, "wb"):  # the application has begun
        worker.abandon(slot)
    r = worker.response()
    assert r.abort == GP["ABORT_GONE"]
    assert last(worker)[:3] == [True, GONE, "200 OK"]


def test_the_environ_lives_as_long_as_end(one):
    """Reading the body in end() works: the request is not over for Python."""
    r, _ = one("ok([b'x'])", body=b"hello", pairs={"HTTP_X_END": "ENDED[-1].insert(5, environ['wsgi.input'].read().decode())"})
    assert r.body == b"x"


def test_begin_that_raises_is_500_and_the_application_does_not_run(worker):
    worker.send("/?1/0", pairs={"HTTP_X_BEGIN": "int('no')"})
    r = worker.response()
    assert (r.kinds, r.abort) == (["ABORT"], GP["ABORT_RAISED"])
    level, text = worker.log()
    assert level == GP["LEVEL_ERROR"]
    assert text.startswith("Error handling request GET /?1/0\n")
    assert "ValueError" in text and "ZeroDivisionError" not in text
    assert ended(worker) == []  # who begins nothing ends nothing
    assert worker.get("/?ok([b'next'])").body == b"next"


def test_end_that_raises_is_logged_and_hurts_nobody(worker):
    r = worker.get("/?ok([b'a'])", pairs={"HTTP_X_END": "int('no')"})
    assert r.body == b"a"
    level, text = worker.log()
    assert level == GP["LEVEL_ERROR"]
    assert "(after its response)" in text and "ValueError" in text
    assert worker.get("/?ok([b'next'])").body == b"next"


@pytest.mark.parametrize("where", ["BEGIN", "END"])
def test_an_exit_in_a_hook_ends_the_worker(worker, where):
    worker.send("/?ok([b'a'])", pairs={f"HTTP_X_{where}": "sys.exit(1)"})
    r = worker.response()
    assert r.abort == (GP["ABORT_EXIT"] if where == "BEGIN" else None)
    assert worker.retiring() == GP["RETIRE_APP_EXIT"]
    worker.stop()


def test_a_hook_that_forks_leaves_one_worker(worker):
    worker.get("/?ok([b'a'])", pairs={"HTTP_X_END": "os.fork() or threading.get_ident()"})
    assert worker.get("/?ok([b'b'])").body == b"b"


def test_end_alone_and_begin_alone(start):
    alone = start("hooked", end="end")
    assert alone.get("/?ok([b'a'])").body == b"a"
    assert last(alone)[1:4] == [DONE, "200 OK", []]
    assert start("hooked", begin="begin").get("/?ok([str(e['begun']).encode()])").body == b"True"


def test_threads_do_not_meet(start):
    """Each end() gets the request that its own begin() made."""
    worker = start("hooked", threads=4, begin="begin", end="end")
    count, window = 400, 32

    def answers():
        while True:
            for stream in select.select([s.sock for s in worker.streams], [], [])[0]:
                index = next(i for i, s in enumerate(worker.streams) if s.sock is stream)
                yield worker.response(index)

    coming = answers()
    for i in range(count):
        worker.send(f"/?[time.sleep(.001),ok([b'{i}'])][1]")
        if i >= window:
            next(coming)
    bodies = {next(coming).body for _ in range(window)}
    assert len(bodies) == window
    worker.send("/ended")
    calls = json.loads(next(coming).body)
    assert len(calls) >= count - len(worker.streams)  # end() of the others may still be about to run
    assert all(call[0] for call in calls)


def test_the_callables_are_checked(start, module):
    code = (
        f"import sys; sys.path.insert(0, {str(module)!r}); import _gounicorn as g\n"
        "g.configure(app=print, worker=1, multiprocess=0, multithread=0, max_requests=0, server_software='x',"
        " queue=0, scoreboard=0, control=0, errors=None, begin=3)"
    )
    env = {**os.environ, "LD_PRELOAD": os.environ.get("GOUNICORN_TEST_PRELOAD", "")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert "needs a callable, or None, as begin, end and report" in done.stderr
