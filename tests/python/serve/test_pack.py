"""Packets of several requests: answers that are kept back, and what happens when a request takes longer than expected."""

import os
import signal
import struct
import time

import pytest
from apps import count
from master import GP, wait_until
from test_loan import lend, size_of

DONE, CANCELLED = GP["SLOT_STATE_DONE"], GP["SLOT_STATE_CANCELLED"]


def pack(worker, *paths, flags=0):
    """Sends requests in one packet; returns slots and generations."""
    frames = []
    requests = [worker.send(path, pack=frames, flags=flags) for path in paths]
    worker.raw(b"".join(frames))
    return requests


def finished(worker, requests):
    """Waits until all have run, and reads nothing meanwhile."""
    wait_until(lambda: all(worker.slot(slot)["state"] == DONE for slot, _ in requests), "all requests to run")
    return requests


def answers(worker, requests):
    """The bodies of so many responses, which come in the order of the requests."""
    bodies = []
    for slot, generation in requests:
        response = worker.response()
        assert {(f.a, f.b) for f in response.frames} == {(slot, generation)}
        assert worker.slot(slot)["state"] == DONE
        bodies.append(response.body)
    return bodies


@pytest.fixture
def worker(start):
    worker = start("unread")
    for _ in range(20):  # what the first requests build is there, so that they are brief
        worker.get("/warm")
    return worker


def test_answers_of_brief_requests_travel_together(worker):
    together = 0
    for _ in range(50):  # on a busy machine a request may be interrupted, and is not brief then
        requests = pack(worker, "/1", "/2", "/unread", "/4", "/5")
        bodies = answers(worker, finished(worker, requests))
        assert bodies[:2] + bodies[3:] == [b"/1", b"/2", b"/4", b"/5"]
        together += bodies[2] == b"0"
    assert together > 0
    worker.stop()


def test_a_small_packet_is_not_worth_it(worker):
    for _ in range(20):
        bodies = answers(worker, finished(worker, pack(worker, "/1", "/unread", "/3")))
        assert int(bodies[1]) > 0


def test_nobody_waits_for_a_request_that_takes_longer(worker):
    """What was kept is sent while it runs, and the master learns that others wait; it may take them back."""
    requests = pack(worker, "/1", "/2", "/pause", "/4", "/5")
    worker.wait_mark()
    assert answers(worker, requests[:2]) == [b"/1", b"/2"]
    behind = worker.packet()
    assert (behind.kind, behind.aux, behind.a, behind.b, behind.payload) == (GP["KIND_BEHIND"], 0, worker.id, 0, b"")
    slot, generation = requests[3]
    struct.pack_into("<Q", worker.board, slot * GP["SLOT_SIZE"], generation | CANCELLED << 32)
    worker.process.send_signal(signal.SIGUSR2)
    assert answers(worker, [requests[2], requests[4]]) == [b"/pause", b"/5"]
    worker.quiet()  # it was said once
    assert worker.get("/after").body == b"/after"
    worker.stop()


def test_the_last_one_of_a_packet_keeps_nobody_waiting_either(worker):
    requests = pack(worker, "/1", "/2", "/3", "/pause")
    worker.wait_mark()
    assert answers(worker, requests[:3]) == [b"/1", b"/2", b"/3"]
    worker.process.send_signal(signal.SIGUSR2)
    assert answers(worker, requests[3:]) == [b"/pause"]
    worker.quiet()  # nothing was behind it


def test_the_watch_sleeps_and_wakes(worker):
    for _ in range(3):
        requests = pack(worker, "/1", "/2", "/pause", "/4")
        worker.wait_mark()
        assert answers(worker, requests[:2]) == [b"/1", b"/2"]
        assert worker.packet().kind == GP["KIND_BEHIND"]
        worker.process.send_signal(signal.SIGUSR2)
        assert answers(worker, requests[2:]) == [b"/pause", b"/4"]
        naps = sleeping(worker)
        assert naps == sleeping(worker, naps)


def sleeping(worker, before=None):
    """Waits until no thread of the worker has run for a third of a second; returns how often each has."""

    def switches():
        tasks = f"/proc/{worker.process.pid}/task"
        return {
            t: [line for line in open(f"{tasks}/{t}/status").read().splitlines() if "ctxt_switches" in line]
            for t in os.listdir(tasks)
        }

    last = None
    end = time.monotonic() + 20
    while (now := switches()) != last:
        assert time.monotonic() < end, "a thread of an idle worker runs on"
        last = now
        time.sleep(0.3)
    return now


def test_cancelled_requests_at_the_end_do_not_keep_answers(worker):
    frames = []
    requests = [worker.send(f"/{i}", pack=frames, queued=i < 3) for i in range(6)]
    worker.raw(b"".join(frames))
    assert answers(worker, requests[:3]) == [b"/0", b"/1", b"/2"]


def test_the_end_of_the_worker_loses_no_answer(worker):
    requests = pack(worker, "/1", "/2", "/exit", "/4", "/5")
    assert answers(worker, requests[:2]) == [b"/1", b"/2"]
    assert worker.response().abort == GP["ABORT_EXIT"]
    assert answers(worker, requests[3:]) == [b"/4", b"/5"]
    worker.retiring()


def test_all_kinds_of_answers_stay_in_order(start):
    """Large ones, streamed ones, raised ones and lent connections between brief ones."""
    worker = start("zoo", tray=True)
    calls = ["ok([b'a'])", "ok([count(300)])", "ok([count(9000)])", "ok([b'b'])", "ok(iter([b'c', b'd']))", "1/0", "ok([b'e'])"]
    calls += ["ok([count(70000)])", "ok([b'f'])", "ok([count(300000)])", "ok([b'g'])", "ok([b'h'])"]
    want = [b"a", count(300), count(9000), b"b", b"cd", None, b"e", count(70000), b"f", count(300000), b"g", b"h"]
    for flags in (0, GP["FLAG_LOAN"]):
        for _ in range(3):
            requests = pack(worker, *("/?" + call for call in calls), flags=flags)
            for request, expected in zip(requests, want, strict=True):
                if flags and expected and len(expected) >= GP["LOAN_FROM"]:
                    assert size_of(worker.streams[0].frame()) == len(expected)
                    assert lend(worker, request)[:2] == (0, expected)
                    continue
                response = worker.response()
                assert {(f.a, f.b) for f in response.frames} == {request}
                assert response.body == expected if expected else response.abort == GP["ABORT_RAISED"]
    worker.stop()


def test_a_full_socket_loses_nothing(start):
    """What the serving thread sends waits for the master, and the rest of the packet had better go elsewhere."""
    worker = start("zoo")
    requests = [r for _ in range(3) for r in pack(worker, *["/?ok([count(8000)])"] * 16)]
    assert worker.packet().kind == GP["KIND_BEHIND"]
    assert answers(worker, requests) == [count(8000)] * len(requests)
    worker.stop()


def test_the_watch_sends_as_much_as_a_full_socket_takes(start):
    """It does not wait, and sends the rest when the master has read."""
    worker = start("unread", narrow=True)
    paths = ["/" + letter * 3000 for letter in "abcde"] + ["/pause", "/last"]
    requests = pack(worker, *paths)
    worker.wait_mark()
    assert worker.packet().kind == GP["KIND_BEHIND"]
    assert answers(worker, requests[:5]) == [path.encode() for path in paths[:5]]
    worker.process.send_signal(signal.SIGUSR2)
    assert answers(worker, requests[5:]) == [b"/pause", b"/last"]
    worker.stop()


def test_the_account_of_a_packet_is_whole(worker):
    """The CPU times of its requests are together that of the thread, and none is negative or made up."""
    path = f"/proc/{worker.process.pid}/task/{worker.process.pid}/schedstat"

    def spent():
        return int(open(path).read().split()[0])

    before, told = spent(), 0
    for _ in range(100):
        requests = pack(worker, *(f"/{i}" for i in range(20)))
        answers(worker, requests)
        told += sum(worker.slot(slot)["cpu"] for slot, _ in requests)
    took = spent() - before
    assert 0.5 * took < told < 1.2 * took
