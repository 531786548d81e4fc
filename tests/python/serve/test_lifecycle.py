"""Starting, counting, stopping; the scoreboard."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from master import GP, wait_until


def test_hello_names_version_worker_and_thread(start):
    worker = start("hello", threads=3)
    for i, frame in enumerate(worker.hello):
        assert (frame.kind, frame.aux, frame.a, frame.b, frame.payload) == (
            GP["KIND_HELLO"],
            GP["WIRE_VERSION"],
            worker.id,
            i,
            b"",
        )


def test_the_scoreboard_tells_of_a_request(start):
    worker = start("gate", threads=2)
    before = time.monotonic_ns()
    slot, generation = worker.send("/wait/a")
    wait_until(lambda: worker.slot(slot)["started"], "the request to start")
    s = worker.slot(slot)
    assert (s["state"], s["generation"], s["worker"]) == (GP["SLOT_STATE_RUNNING"], generation, worker.id)
    assert s["pid"] == worker.process.pid
    assert before < s["started"] < time.monotonic_ns()
    assert (s["ended"], s["cpu"]) == (0, 0)
    other, _ = worker.send("/open/a")
    worker.response(s["thread"])
    s = worker.slot(slot)
    assert s["state"] == GP["SLOT_STATE_DONE"]
    assert s["started"] < s["ended"] < time.monotonic_ns()
    assert 0 < s["cpu"] < s["ended"] - s["started"] + 10**9
    worker.response(worker.slot(other)["thread"])
    assert worker.slot(other)["thread"] != s["thread"]


def test_threads_serve_in_main_and_other_threads_at_once(start):
    worker = start("gate", threads=4)
    slots = [worker.send(f"/wait/{i}")[0] for i in range(3)]
    for slot in slots:
        wait_until(lambda s=slot: worker.slot(s)["state"] == GP["SLOT_STATE_RUNNING"], "three requests to run")
    for i in range(3):
        opener, _ = worker.send(f"/open/{i}")
        wait_until(lambda s=opener: worker.slot(s)["state"] == GP["SLOT_STATE_DONE"], "the opener to be done")
    for slot in slots:
        wait_until(lambda s=slot: worker.slot(s)["state"] == GP["SLOT_STATE_DONE"], "the requests to be done")
    assert len({worker.slot(s)["thread"] for s in slots}) == 3


@pytest.mark.parametrize("threads", [1, 4])
def test_end_of_the_queue_ends_the_worker(start, threads):
    worker = start("hello", threads=threads)
    worker.stop()
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    assert worker.packet() is None


@pytest.mark.parametrize("threads", [1, 4])
def test_after_max_requests_the_worker_asks_to_be_replaced_and_goes_on(start, threads):
    worker = start("hello", threads=threads, max_requests=5)
    slots = [worker.send("/")[0] for _ in range(5)]
    due = worker.packet()
    assert (due.kind, due.a) == (GP["KIND_DUE"], worker.id)
    slots += [worker.send("/")[0] for _ in range(7)]
    for slot in slots:
        wait_until(lambda slot=slot: worker.slot(slot)["state"] == GP["SLOT_STATE_DONE"], "the answer")
    worker.stop()
    assert worker.packet().kind == GP["KIND_RETIRING"]  # no second DUE
    assert worker.stderr() == ""
    assert worker.process.returncode == 0


@pytest.mark.parametrize("round", range(5))
def test_stop_wakes_waiting_threads_and_lets_running_ones_finish(start, round):
    worker = start("zoo", threads=4)
    slot, _ = worker.send("/?[__import__('_gounicorn').stop(),ok([b'last'])][1]")
    wait_until(lambda: worker.slot(slot)["state"] == GP["SLOT_STATE_DONE"], "the last answer")
    assert worker.response(worker.slot(slot)["thread"]).body == b"last"
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    assert worker.stderr() == ""
    assert worker.process.returncode == 0


def test_stop_from_a_thread_that_python_does_not_know(start):
    worker = start("zoo", threads=3)
    load = "__import__('ctypes').CDLL(__import__('_gounicorn').__file__)"
    slot, _ = worker.send(f"/?ok([b'%d'%{load}.gp_serving()])")
    wait_until(lambda: worker.slot(slot)["state"] == GP["SLOT_STATE_DONE"], "the answer")
    assert worker.response(worker.slot(slot)["thread"]).body == b"3"
    worker.send(f"/?ok([b'%d'%{load}.gp_stop()])")  # ctypes.CDLL gives up the GIL, as a Go thread has none
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    assert worker.stderr() == ""


def test_stop_does_not_interrupt_what_applications_do(start):
    worker = start("dispatch", threads=2)
    slot, _ = worker.send("/sleep")
    wait_until(lambda: worker.slot(slot)["state"] == GP["SLOT_STATE_RUNNING"], "the sleep to begin")
    busy = worker.slot(slot)["thread"]
    worker.queue.close()
    assert worker.response(busy).body == b"0"


def test_an_ignored_signal_wakes_a_waiting_worker_without_effect(start):
    worker = start("hello")
    for _ in range(50):
        worker.process.send_signal(signal.SIGRTMIN + 6)
    assert worker.get("/").body == b"Hello, World!\n"


def test_requests_left_on_the_queue_stay_there_after_stop(start):
    worker = start("zoo")
    first = worker.send("/?[__import__('_gounicorn').stop(),ok([b'last'])][1]")[0]
    assert worker.retiring() == GP["RETIRE_STOPPED"]
    second = worker.next_slot
    try:
        worker.send("/")
    except BrokenPipeError:
        pass
    assert worker.stderr() == ""
    assert worker.slot(first)["state"] == GP["SLOT_STATE_DONE"]
    assert worker.slot(second)["state"] == GP["SLOT_STATE_QUEUED"]


CONFIGURE = {
    "app=5": "ValueError: configure() needs a callable app",
    "environ=5": "ValueError: configure() needs a callable app",
    "scoreboard=-1": "OSError: [Errno 9]",
    "scoreboard=os.memfd_create('x')": "ValueError: the scoreboard's size",
    "nothing=1": "TypeError",
}


@pytest.mark.parametrize("change", CONFIGURE)
def test_configure_refuses_nonsense(module, change):
    code = f"""
import os, sys
sys.path.insert(0, {str(module)!r})
import _gounicorn
try:
    _gounicorn.serve(0, 1)
except RuntimeError as e:
    assert "configure() first" in str(e)
fd = os.memfd_create("b")
os.ftruncate(fd, 640)
options = dict(app=len, worker=1, multiprocess=True, multithread=False, max_requests=0, server_software="x", queue=0,
               scoreboard=fd, control=0, errors=sys.stderr)
_gounicorn.configure(**options)
assert _gounicorn.serving() == 0 and _gounicorn.failed() is False
try:
    _gounicorn.configure(**dict(options, {change}))
except Exception as e:
    print(f"{{type(e).__name__}}: {{e}}")
"""
    assert CONFIGURE[change] in run_python(code)


def run_python(code):
    import subprocess
    import sys

    env = dict(os.environ)
    if preload := env.get("GOUNICORN_TEST_PRELOAD"):
        env["LD_PRELOAD"] = preload
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_signal_handler_that_changes_errno_hurts_nobody(start):
    worker = start("signal_with_errno")
    assert json.loads(worker.get("/").body) == [0]
    wait_until(lambda: process_state(worker.process.pid) == "S", "the worker waits")
    worker.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: json.loads(worker.get("/").body) == [0, signal.SIGUSR1], "the handler ran")


def process_state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
