"""Requests that compute for long run with a lower priority, and only they."""

import os

import pytest
from master import GP


def ask(worker, **kwargs):
    worker.send("/", **kwargs)
    return int(worker.response().body)


@pytest.fixture
def privileged():
    """Whether a process like this one may take a nice value back."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, os.nice(0) + 1)
            os.setpriority(os.PRIO_PROCESS, 0, os.nice(0) - 1)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def test_a_background_request_is_nicer_and_the_next_is_not(start, privileged):
    base = os.getpriority(os.PRIO_PROCESS, 0)
    worker = start("niceness", slow_nice=7)
    for _ in range(3):
        assert ask(worker, flags=GP["FLAG_BACKGROUND"]) == (min(19, base + 7) if privileged else base)
        assert ask(worker) == base


def test_zero_switches_it_off(start):
    worker = start("niceness", slow_nice=0)
    assert ask(worker, flags=GP["FLAG_BACKGROUND"]) == os.getpriority(os.PRIO_PROCESS, 0)


def test_the_master_demotes_and_the_worker_undoes_it(start, privileged):
    base = os.getpriority(os.PRIO_PROCESS, 0)
    worker = start("niceness", threads=2, slow_nice=7, own_queue=True)
    slot, _ = worker.send("/gate")
    worker.wait_mark()
    tid = worker.slot(slot)["tid"]
    assert tid == worker.process.pid
    worker.demote(slot)
    os.setpriority(os.PRIO_PROCESS, tid, min(19, base + 5))
    worker.send("/?/gate", own=True)
    assert int(worker.response(1).body) == base
    assert int(worker.response(0).body) == min(19, base + 5)
    assert ask(worker) == (base if privileged else min(19, base + 5))


def test_without_the_right_to_come_back_nothing_is_done(start, module):
    if os.geteuid() != 0:
        worker = start("niceness", slow_nice=7)
    else:  # no capabilities, and RLIMIT_NICE is 0
        worker = start("niceness", slow_nice=7, wrapper=["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"])
    base = os.getpriority(os.PRIO_PROCESS, 0)
    assert [ask(worker, flags=GP["FLAG_BACKGROUND"]) for _ in range(3)] == [base] * 3
