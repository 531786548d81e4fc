"""Nothing grows: objects, memory and descriptors before and after many requests of each kind."""

import json
import os

import pytest

ROUNDS = int(os.environ.get("GOUNICORN_TEST_LEAK_ROUNDS", "2000"))

KINDS = {
    "hello": {"path": "/hello"},
    "many headers": {"path": "/hello", "pairs": {f"HTTP_X_{i}": "v" * i for i in range(30)}},
    "body": {"path": "/body?len(f.read())", "body": b"x" * 2000},
    "lines": {"path": "/body?len(list(f))", "body": b"x\n" * 200},
    "generator": {"path": "/generator"},
    "late": {"path": "/late"},
    "raises": {"path": "/zoo?1/0"},
    "raises in iteration": {"path": "/zoo?raise_in(e,s,'second')"},
    "refused": {"path": "/start_uncaught?('200%20OK',[('A','%0a')])"},
    "protocol": {"path": "/zoo?ok(['x'])"},
    "nothing": {"path": "/zoo?None"},
    "write": {"path": "/write_app"},
    "exc_info": {"path": "/zoo?start_twice(e,s,True)"},
    "close": {"path": "/zoo?[CLOSED.clear(),ok(Closing([b'a']))][1]"},
    "close raises": {"path": "/zoo?[CLOSED.clear(),ok(Closing([b'a'],'n',ValueError()))][1]"},
    "head": {"path": "/hello", "method": "HEAD"},
    "too long": {"path": "/zoo?ok([b'abc'],[('Content-Length','1')])"},
    "too short": {"path": "/zoo?ok([b'abc'],[('Content-Length','9')])"},
    "hints": {"path": "/hints"},
    "file": {"path": "/zoo?wrapper(e,s,temp())"},
    "file iterated": {"path": "/zoo?wrapper(e,s,io.BytesIO(b'x'))"},
    "keeps its handles": {"path": "/zoo?[KEPT.clear(),KEPT.extend([e,s,s('200%20OK',[])]),[b'x']][2]".replace("%20", " ")},
    "by descriptor": {"path": "/body?len(f.readline())", "body": b"x" * 100, "payload_fd": True},
}


HOOKED = {
    "begin raises": {"path": "/hello", "pairs": {"HTTP_X_BEGIN": "1/0"}},
    "end raises": {"path": "/hello", "pairs": {"HTTP_X_END": "1/0"}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_grows(start, kind):
    grows_not(start("dispatch"), KINDS[kind])


@pytest.mark.parametrize("kind", [*KINDS, *HOOKED])
def test_nothing_grows_with_hooks(start, kind):
    grows_not(start("dispatch", begin="begin", end="end_forgetful"), {**KINDS, **HOOKED}[kind])


def grows_not(worker, options):

    def serve(rounds):
        for _ in range(rounds):
            worker.send(**options)
            worker.response()
            while worker.packet(0) is not None:
                pass

    def counts():
        for _ in range(2):
            worker.send("/counts")
            r = worker.response()
        return json.loads(r.body)

    serve(200)
    before = counts()
    serve(ROUNDS)
    after = counts()
    grown = {name: after[name] - before[name] for name in before}
    assert grown["objects"] <= 20, grown
    assert grown["blocks"] <= 600 + ROUNDS // 50, grown  # the interpreter's own caches settle at 250 to 450
    assert grown["fds"] <= 0, grown
    if "GOUNICORN_TEST_SANITIZED" not in os.environ:  # a sanitizer keeps freed memory for a while
        assert grown["rss"] <= 2 << 20, grown
