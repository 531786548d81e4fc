"""The framework's name for a route: a hash in the slot, and once the name on the control socket."""

import pytest


def fnv(text):
    h = 14695981039346656037
    for byte in text.encode():
        h = (h ^ byte) * 1099511628211 % (1 << 64)
    return h


def route(worker, expression=""):
    slot, _ = worker.send(f"/?{expression}")
    assert worker.response().status == 200
    return worker.slot(slot)["route"]


def test_a_name_is_reported_once_and_its_hash_each_time(start):
    worker = start("routed")
    assert route(worker) == 0
    names = ["contract/<int:pk>/", "/", "größe/<slug>", "x" * 256]
    for name in names * 3:
        assert route(worker, ascii(name)) == fnv(name)
        assert route(worker, f"'-'.join([{name!a}])[:]") == fnv(name)
    assert worker.routes() == {fnv(name): name for name in names}


@pytest.mark.parametrize("expression", ["''", "'y'*257", "5", "b'bytes'", "[]", "'\\ud800'", "type('S',(str,),{})('sub')"])
def test_what_is_no_name_is_not_reported(start, expression):
    worker = start("routed")
    assert route(worker, expression) == 0
    assert route(worker) == 0
    assert worker.routes() == {}


def test_names_are_bounded(start):
    worker = start("routed")
    names = {}
    for i in range(1100):
        assert route(worker, f"'n/'+'{i}'") == (fnv(f"n/{i}") if i < 1024 else 0)
        if i % 50 == 0:
            names |= worker.routes()
    names |= worker.routes()
    assert names == {fnv(f"n/{i}"): f"n/{i}" for i in range(1024)}
    assert route(worker, "'n/'+'7'") == fnv("n/7")


def test_a_name_that_the_socket_did_not_take_is_reported_later(start):
    worker = start("routed")
    i = 0
    while route(worker, f"'full/{i}'+'x'*200") != 0:  # nobody reads
        i += 1
        assert i < 1024
    names = worker.routes()
    assert len(names) == i
    assert route(worker, f"'full/{i}'+'x'*200") != 0
    assert len(worker.routes()) == 1


def test_every_thread_reports_to_one_table(start):
    worker = start("routed", threads=2, own_queue=True)
    for own in (False, True):
        slot, _ = worker.send("/?'same'+'-name'", own=own)
        assert worker.response(int(own)).status == 200
        assert worker.slot(slot)["route"] == fnv("same-name")
    assert len(worker.routes()) == 1
