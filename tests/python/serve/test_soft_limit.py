"""SoftTimeout is raised in the request that it was meant for, and in no other."""

import random
import select
import time

import pytest
from master import DEADLINE, GP, wait_until


def running(worker, slot):
    wait_until(lambda: worker.slot(slot)["state"] >= GP["SLOT_STATE_RUNNING"], "the request to run")


@pytest.mark.parametrize("what", ["sleep", "spin", "lock", "select"])
@pytest.mark.parametrize("thread", [0, 1])
def test_it_is_raised_where_the_request_is(start, what, thread):
    if thread == 1 and what != "spin":
        what += "-short"  # a blocking call is only interrupted on the main thread; elsewhere it is raised after it
    worker = start("soft", threads=2, own_queue=True)
    slot, generation = worker.send(f"/{what}", own=thread == 1)
    running(worker, slot)
    worker.wait_mark()
    worker.interrupt(slot, generation)
    assert worker.response(thread).body == b"SoftTimeout"
    assert worker.slot(slot)["thread"] == thread
    slot, generation = worker.send("/nothing", own=thread == 1)
    assert worker.response(thread).body == b"nothing"
    worker.quiet()


def test_what_nobody_catches_is_an_error_of_the_request(start):
    worker = start("soft")
    slot, generation = worker.send("/uncaught")
    worker.wait_mark()
    worker.interrupt(slot, generation)
    assert worker.response().abort == GP["ABORT_RAISED"]
    assert "SoftTimeout" in worker.log()[1]
    assert worker.get("/nothing").body == b"nothing"


def test_another_slot_or_generation_is_nobodys(start):
    worker = start("soft")
    slot, generation = worker.send("/spin")
    worker.wait_mark()
    worker.interrupt(slot + 1, generation)
    worker.interrupt(slot, generation + 1)
    worker.interrupt(slot, generation - 1)
    worker.interrupt(slot, generation)
    assert worker.response().body == b"SoftTimeout"
    worker.interrupt(slot, generation)  # it has ended
    assert worker.get("/nothing").body == b"nothing"


def test_it_is_raised_once(start):
    worker = start("soft")
    slot, generation = worker.send("/twice")
    worker.wait_mark()
    worker.interrupt(slot, generation)
    worker.interrupt(slot, generation)
    assert worker.response().body == b"SoftTimeout once"


@pytest.mark.parametrize("thread", [0, 1])
def test_what_comes_while_the_answer_is_written_is_withdrawn(start, thread):
    """No Python code runs any more, so that nothing can be raised before the next request."""
    worker = start("soft", threads=2, own_queue=True)
    for _ in range(3):
        slot, generation = worker.send("/answer", own=thread == 1)  # more than a socket takes
        worker.wait_mark()
        select.select([worker.streams[thread].sock], [], [], DEADLINE)  # its beginning is there
        worker.interrupt(slot, generation)
        assert len(worker.response(thread).body) == 4 << 20
        worker.send("/nothing", own=thread == 1)
        assert worker.response(thread).body == b"nothing"


@pytest.mark.parametrize("thread", [0, 1])
def test_the_next_request_never_gets_it(start, thread):
    """Interrupts at random moments around the end of requests; a request that is not meant must answer as if there were none."""
    worker = start("soft", threads=2, own_queue=True)
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    typical = 500_000.0  # ns that a request takes
    i = meant = 0
    while i < 500 or (meant < 5 and i < 5000):  # a busy machine has fewer that are interrupted
        i += 1
        slot, generation = worker.send("/short", own=thread == 1)
        while not (began := worker.slot(slot)["started"]):
            pass
        moment = began + typical * dice.uniform(0.2, 1.2)
        while time.monotonic_ns() < moment:
            pass
        worker.interrupt(slot, generation)
        innocent = [worker.send("/short", own=thread == 1)[0] for _ in range(2)]
        r = worker.response(thread)
        assert r.body in (b"short", b"SoftTimeout") or r.abort == GP["ABORT_RAISED"], (seed, i, r)
        meant += r.body != b"short"
        for other in innocent:
            r = worker.response(thread)
            assert r.body == b"short", (seed, i, r)
            s = worker.slot(other)
            typical += (s["ended"] - s["started"] - typical) / 16
    assert 0 < meant < i, f"seed {seed}: {meant} of {i} were interrupted: the moments are not around the end"
