"""A request goes in, a response comes out, the scoreboard tells of it."""

from master import GP


def test_hello_is_answered_in_one_frame(start):
    worker = start("hello")
    r = worker.get("/")
    assert r.kinds == ["HEAD+END"]
    assert (r.status, r.reason, r.body) == (200, "OK", b"Hello, World!\n")
    assert r.headers == [("Content-Type", "text/plain"), ("Content-Length", "14")]
    worker.quiet()
    worker.stop()
    assert worker.retiring() == GP["RETIRE_STOPPED"]
