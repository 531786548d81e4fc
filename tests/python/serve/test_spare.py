"""Threads 1 and up with a queue of the worker's own: who reads what, and who leaves when."""

from master import DEADLINE, GP, HEADER, wait_until


def running(worker, slot):
    wait_until(  # the time of the start is written last
        lambda: worker.slot(slot)["state"] == GP["SLOT_STATE_RUNNING"] and worker.slot(slot)["started"] != 0, "the request to run"
    )
    return worker.slot(slot)["thread"]


def done(worker, slot):
    wait_until(lambda: worker.slot(slot)["state"] == GP["SLOT_STATE_DONE"], "the request to end")
    return worker.slot(slot)["thread"]


def test_thread_0_reads_the_shared_queue_the_others_their_own(start):
    worker = start("gate", threads=3, own_queue=True)
    spare = [worker.send(f"/wait/{name}", own=True)[0] for name in "ab"]
    assert {running(worker, slot) for slot in spare} == {1, 2}
    waits = worker.send("/wait/c", own=True)[0]  # no spare thread is free
    computing = [worker.send("/open/x")[0] for _ in range(20)]
    assert {done(worker, slot) for slot in computing} == {0}
    assert worker.slot(waits)["state"] == GP["SLOT_STATE_QUEUED"]
    for name in "abc":
        worker.send(f"/open/{name}")
    assert {done(worker, slot) for slot in [*spare, waits]} == {1, 2}


def test_leave_ends_one_spare_thread_and_its_stream(start):
    worker = start("hello", threads=3, own_queue=True)
    worker.leave()
    left = next(i for i in (1, 2) if closed(worker, i))
    slots = [worker.send("/", own=i % 2 == 0)[0] for i in range(10)]
    assert {done(worker, slot) for slot in slots} == {0, 3 - left}
    worker.stop()
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    assert worker.packet() is None


def closed(worker, index):
    sock = worker.streams[index].sock
    sock.settimeout(0.5)
    try:
        return worker.streams[index].frame() is None
    except TimeoutError:
        return False
    finally:
        sock.settimeout(DEADLINE)


def test_all_spare_threads_may_leave(start):
    worker = start("hello", threads=4, own_queue=True)
    for _ in range(3):
        worker.leave()
    for i in (1, 2, 3):
        assert worker.streams[i].frame() is None
    assert worker.get("/").status == 200
    worker.stop()
    assert worker.retiring() == GP["RETIRE_STOPPED"]


def test_end_of_the_own_queue_ends_the_worker(start):
    worker = start("hello", threads=2, own_queue=True)
    worker.own.close()
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    assert worker.stderr() == ""
    assert worker.process.returncode == 0


def test_stop_waits_for_what_spare_threads_run(start):
    worker = start("gate", threads=2, own_queue=True)
    slot, _ = worker.send("/wait/a", own=True)
    assert running(worker, slot) == 1
    worker.send("/stop/a")
    assert worker.response(1).body
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    assert worker.stderr() == ""


def test_max_requests_counts_both_queues(start):
    worker = start("hello", threads=2, own_queue=True, max_requests=4)
    slots = [worker.send("/", own=i % 2 == 0)[0] for i in range(4)]
    assert worker.packet().kind == GP["KIND_DUE"]
    assert len(slots) == 4


def test_leave_on_the_shared_queue_breaks_the_protocol(start):
    worker = start("hello", threads=2, own_queue=True)
    worker.raw(HEADER.pack(0, GP["KIND_LEAVE"], 0, 0, 0, 0))
    level, text = worker.log()
    assert (level, text) == (GP["LEVEL_CRITICAL"], "Worker fails: malformed request packet")
    assert "malformed request packet" in worker.stderr()


def test_without_an_own_queue_all_threads_read_the_shared_one(start):
    worker = start("gate", threads=3)
    slots = [worker.send(f"/wait/{name}")[0] for name in "abc"]
    assert {running(worker, slot) for slot in slots} == {0, 1, 2}
