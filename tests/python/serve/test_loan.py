"""Large bodies that the worker writes to the client's connection itself (PROTOCOL.md, Loans)."""

import array
import select
import socket
import struct

import pytest
from apps import count
from master import GP, HEADER

LOAN_FROM = GP["LOAN_FROM"]


class Client:
    """A client's connection, and all that comes by it."""

    def __init__(self, room: int | None = None) -> None:
        self.served, self.sock = socket.socketpair()
        if room:
            self.served.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self.served.setblocking(False)

    def read(self) -> bytes:
        """What has come so far and comes until the connection is closed everywhere."""
        self.served.close()
        self.sock.settimeout(20)
        return b"".join(iter(lambda: self.sock.recv(1 << 20), b""))


def ask(worker, call: str, **kwargs):
    """Sends a request whose worker may borrow, and returns slot and generation, and its first frame."""
    request = worker.send("/?" + call, flags=GP["FLAG_LOAN"], **kwargs)
    return request, worker.streams[0].frame()


def lend(worker, request, sock=None):
    """Answers a HEAD with LOAN; returns how many bytes were taken, and the rest."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))] if sock else []
    worker.streams[0].sock.sendmsg([HEADER.pack(0, GP["KIND_LEND"], 0, 0, *request)], ancillary)
    back = worker.streams[0].frame()
    assert (back.kind, back.a, back.b) == (GP["KIND_RETURN"], *request)
    payload = worker.laid(back)
    return struct.unpack_from("<I", payload)[0], payload[4:], bool(back.flags & GP["FLAG_TRAY"])


def size_of(frame) -> int:
    """The length that a HEAD with LOAN tells."""
    assert (frame.kind, frame.flags) == (GP["KIND_HEAD"], GP["FLAG_LOAN"] | GP["FLAG_END"])
    return struct.unpack("<I", frame.payload[-4:])[0]


MAKE = [
    "ok([count(%d)])",
    "ok([count(%d)],[('Content-Length','%d')])",
    "ok([count(%d)[:9],b'',count(%d)[9:]])",
    "ok(iter([count(%d)]),[('Content-Length','%d')])",
]


@pytest.mark.parametrize("size", [LOAN_FROM, 1 << 20])
@pytest.mark.parametrize("make", MAKE)
def test_the_client_takes_it_all(start, make, size):
    worker = start("zoo", tray=True)
    for _ in range(2):
        client = Client(room=8 << 20)
        request, head = ask(worker, make.replace("%d", str(size)))
        assert size_of(head) == size
        state = worker.slot(request[0])["state"]
        assert state == GP["SLOT_STATE_DONE"]
        assert lend(worker, request, client.served) == (size, b"", False)
        assert client.read() == count(size)
    worker.quiet()


@pytest.mark.parametrize("room", [4096, 400_000])
@pytest.mark.parametrize("make", MAKE)
def test_the_client_takes_a_part(start, make, room):
    worker, client = start("zoo", tray=True), Client(room)
    request, head = ask(worker, make.replace("%d", str(1 << 20)))
    assert size_of(head) == 1 << 20
    sent, rest, tray = lend(worker, request, client.served)
    assert 0 < sent < 1 << 20 and tray
    assert client.read() + rest == count(1 << 20)
    assert worker.get("/?ok([b'next'])").body == b"next"


def test_a_small_rest_and_one_without_a_place_go_by_the_stream(start):
    worker = start("zoo", tray=True)
    client = Client(room=8 << 20)
    while True:  # leaves room for less than the body
        try:
            client.served.send(b"a" * 4096)
        except BlockingIOError:
            break
    worker.keep_tray = True
    for taken in [True, True, False]:
        request, _ = ask(worker, "ok([b'z'*300000])")
        assert lend(worker, request, client.served) == (0, b"z" * 300_000, taken)
    worker.quiet()


def test_nothing_is_lent(start):
    worker = start("zoo", tray=True)
    request, head = ask(worker, "ok([b'z'*300000])")
    assert size_of(head) == 300_000
    assert lend(worker, request) == (0, b"z" * 300_000, True)
    worker.quiet()


def test_the_client_has_left(start):
    worker, client = start("zoo", tray=True), Client()
    client.sock.close()
    request, _ = ask(worker, "ok([b'z'*300000])")
    assert lend(worker, request, client.served) == (0, b"z" * 300_000, True)
    assert worker.get("/?ok([b'next'])").body == b"next"


@pytest.mark.parametrize(
    "call, kwargs",
    [
        (f"ok([b'z'*{LOAN_FROM - 1}])", {}),
        (f"ok([b'z'*{(1 << 20) + 1}])", {}),
        ("ok(iter([b'z'*200000, b'z'*300000]))", {}),
        ("ok([b'z'*300000])", {"method": "HEAD"}),
    ],
)
def test_what_does_not_borrow(start, call, kwargs):
    worker = start("zoo", tray=True)
    worker.send("/?" + call, flags=GP["FLAG_LOAN"], **kwargs)
    r = worker.response()
    assert r.abort is None and not any(f.flags & GP["FLAG_LOAN"] for f in r.frames)


def test_without_leave_nobody_borrows(start):
    worker = start("zoo", tray=True)
    r = worker.get("/?ok([b'z'*300000])")
    assert r.body == b"z" * 300_000 and not r.frames[0].flags & GP["FLAG_LOAN"]


def speaker(worker):
    """The stream that has something to say."""
    ready = select.select([s.sock for s in worker.streams], [], [], 20)[0]
    return next(s for s in worker.streams if s.sock in ready)


def test_others_compute_while_a_worker_waits_for_a_loan(start):
    worker = start("zoo", threads=2, tray=True)
    request = worker.send("/?ok([b'z'*300000])", flags=GP["FLAG_LOAN"])
    waits = speaker(worker)
    assert size_of(waits.frame()) == 300_000
    worker.send("/?ok([b'other'])")
    assert speaker(worker).frame().payload.endswith(b"other")
    waits.sock.send(HEADER.pack(0, GP["KIND_LEND"], 0, 0, *request))
    assert waits.frame().kind == GP["KIND_RETURN"]


@pytest.mark.parametrize("what", ["another slot", "another kind", "the end"])
def test_a_master_that_answers_wrongly_is_left(start, what):
    worker, client = start("zoo", tray=True), Client()
    (slot, generation), _ = ask(worker, "ok([b'z'*300000])")
    kind = GP["KIND_LEAVE"] if what == "another kind" else GP["KIND_LEND"]
    if what == "the end":
        worker.streams[0].sock.shutdown(socket.SHUT_RDWR)
    else:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.served.fileno()]))]
        worker.streams[0].sock.sendmsg([HEADER.pack(0, kind, 0, 0, slot + (what == "another slot"), generation)], ancillary)
    assert worker.streams[0].frame() is None
    assert client.read() == b""


def test_a_child_of_the_application_keeps_no_connection(start):
    """A thread forks while connections are lent, again and again, so that some child is made within a loan."""
    worker = start("zoo", tray=True)
    assert worker.get("/?THREADS.append(forking(300))or(ok([b'yes']))").body == b"yes"
    for _ in range(400):
        client = Client(room=8 << 20)
        request, head = ask(worker, "ok([b'z'*1048576])")
        assert lend(worker, request, client.served)[0] == size_of(head)
        assert len(client.read()) == 1 << 20
    assert worker.get("/?ok(forked(THREADS.pop()))").body == b"300"
