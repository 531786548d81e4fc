"""The master's side of the pipe protocol (prefork/wire/PROTOCOL.md), as much of it as the tests of the serve loop need."""

import array
import json
import mmap
import os
import re
import select
import shlex
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLOTS = 64
DEADLINE = 60.0  # seconds after which a test that waits has failed


def table() -> dict[str, int]:
    """The numbers of the protocol, from the header that the C code uses."""
    text = (HERE.parents[2] / "pyworker" / "gp_wire.h").read_text()
    return {name: int(number) for name, number in re.findall(r"#define GP_(\w+) (\d+)", text)}


def key_names() -> list[str]:
    text = (HERE.parents[2] / "pyworker" / "gp_keys.h").read_text()
    return re.findall(r'^    "(.*)",$', text, re.M)


GP = table()
KEYS = key_names()
HEADER = struct.Struct("<IBBHII")


@dataclass
class Frame:
    kind: int
    flags: int
    aux: int
    a: int
    b: int
    payload: bytes = b""
    fds: list[int] = field(default_factory=list)


@dataclass
class Response:
    """What came for one request; status is None when an ABORT came before a HEAD."""

    status: int | None = None
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    abort: int | None = None
    frames: list[Frame] = field(default_factory=list)
    interim: list[tuple[int, list[tuple[str, str]]]] = field(default_factory=list)
    file: tuple[int, int] | None = None

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    @property
    def kinds(self) -> list[str]:
        names = {GP[f"KIND_{n}"]: n for n in ("HELLO", "HEAD", "BODY", "FILE", "INTERIM", "ABORT")}
        return [names[f.kind] + ("+END" if f.flags & GP["FLAG_END"] else "") for f in self.frames]


def parse_head(payload: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    length, reason_length, count = struct.unpack_from("<IHH", payload)
    at = 8 + reason_length
    reason = payload[8:at].decode("latin-1")
    fields = []
    for _ in range(count):
        n, v = struct.unpack_from("<HI", payload, at)
        at += 6
        fields.append((payload[at : at + n].decode("latin-1"), payload[at + n : at + n + v].decode("latin-1")))
        at += n + v
    assert at == length
    return reason, fields, payload[length:]


class Stream:
    """Reads the frames of one worker thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.data, self.fds = sock, b"", []
        sock.settimeout(DEADLINE)

    def fill(self) -> bool:
        data, fds, flags, _ = socket.recv_fds(self.sock, 1 << 20, 8)
        assert not flags & socket.MSG_CTRUNC
        self.fds += fds
        self.data += data
        return bool(data)

    def frame(self) -> Frame | None:
        """The next frame; None at the end of the stream."""
        while len(self.data) < 16 or len(self.data) < 16 + HEADER.unpack_from(self.data)[0]:
            try:
                if not self.fill():
                    assert not self.data, "the stream ended within a frame"
                    return None
            except ConnectionResetError:
                return None
        length, *rest = HEADER.unpack_from(self.data)
        assert length <= GP["MAX_FRAME"]
        frame = Frame(*rest, self.data[16 : 16 + length])
        self.data = self.data[16 + length :]
        if frame.kind == GP["KIND_FILE"]:
            frame.fds = [self.fds.pop(0)]
        return frame


class Worker:
    """A worker process and the master's ends of its sockets."""

    def __init__(
        self,
        folder: Path,
        app: str,
        threads: int = 1,
        max_requests: int = 0,
        multiprocess: bool = True,
        environ: dict | None = None,
        nonblocking: bool = False,
        own_queue: bool = False,
        slow_nice: int = 0,
        begin: str = "",
        end: str = "",
        wrapper: tuple[str, ...] = (),
        tray: bool = False,
        narrow: bool = False,
    ) -> None:
        self.id = 0xABCDEF
        self.keep_tray = False
        self.queue, queue = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.own, own = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pairs = [socket.socketpair() for _ in range(threads)]
        self.interrupts, interrupts = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.board_fd = os.memfd_create("scoreboard")
        os.ftruncate(self.board_fd, SLOTS * GP["SLOT_SIZE"])
        self.board = mmap.mmap(self.board_fd, SLOTS * GP["SLOT_SIZE"])
        self.tray_fd = os.memfd_create("tray")
        os.ftruncate(self.tray_fd, GP["TRAY_SIZE"])
        self.tray = mmap.mmap(self.tray_fd, GP["TRAY_SIZE"])
        if narrow:  # the kernel takes its least instead, about 4 KiB
            for _, r in pairs:
                r.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        remote = [queue, own, control, *(r for _, r in pairs)]
        if nonblocking:
            for sock in remote:
                sock.setblocking(False)
        options = {
            "app": app,
            "worker": self.id,
            "threads": threads,
            "max_requests": max_requests,
            "multiprocess": multiprocess,
            "environ": environ,
            "queue": queue.fileno(),
            "own_queue": own.fileno() if own_queue else -1,
            "slow_nice": slow_nice,
            "begin": begin,
            "end": end,
            "interrupts": interrupts.fileno(),
            "control": control.fileno(),
            "scoreboard": self.board_fd,
            "streams": [r.fileno() for _, r in pairs],
            "tray": self.tray_fd if tray else -1,
            "module": str(folder),
        }
        env = dict(os.environ, PYTHONPATH="")
        if preload := env.get("GOUNICORN_TEST_PRELOAD"):
            env["LD_PRELOAD"] = preload
        command = [
            *shlex.split(env.get("GOUNICORN_TEST_WRAPPER", "")),
            *wrapper,
            sys.executable,
            str(HERE / "worker.py"),
            json.dumps(options),
        ]
        self.process = subprocess.Popen(
            command,
            env=env,
            stderr=subprocess.PIPE,
            pass_fds=[*(s.fileno() for s in remote), self.board_fd, self.tray_fd, interrupts.fileno()],
        )
        for sock in remote:
            sock.close()
        interrupts.close()
        for sock in (self.queue, self.own, self.control):
            sock.settimeout(DEADLINE)
        self.streams = [Stream(local) for local, _ in pairs]
        self.hello = [s.frame() for s in self.streams]
        assert None not in self.hello, self.stderr()
        self.next_slot, self.generation, self.packets = 0, 100, []

    # requests

    def queue_slot(self, slot: int, generation: int) -> None:
        struct.pack_into("<QQQQIIIIQQ", self.board, slot * GP["SLOT_SIZE"], generation | GP["SLOT_STATE_QUEUED"] << 32, *[0] * 9)

    def slot(self, slot: int) -> dict[str, int]:
        word, started, ended, cpu, pid, thread, abandoned, tid, delay, route = struct.unpack_from(
            "<QQQQIIIIQQ", self.board, slot * GP["SLOT_SIZE"]
        )
        return {
            "generation": word & 0xFFFFFFFF,
            "state": word >> 32 & 0xFF,
            "worker": word >> 40,
            "started": started,
            "ended": ended,
            "cpu": cpu,
            "pid": pid,
            "thread": thread,
            "abandoned": abandoned,
            "tid": tid,
            "delay": delay,
            "route": route,
        }

    def interrupt(self, slot: int, generation: int) -> None:
        """Asks for SoftTimeout in a request, and waits until the worker has been told."""
        self.interrupts.send(struct.pack("<II", slot, generation))
        assert self.interrupts.recv(1) == b"!"

    def demote(self, slot: int) -> None:
        struct.pack_into("<I", self.board, slot * GP["SLOT_SIZE"] + GP["SLOT_NOTICE"], GP["NOTICE_DEMOTED"])

    def routes(self) -> dict[int, str]:
        """Reads the names of routes that were reported so far, by their hash."""
        names = {}
        while frame := self.packet(0):
            assert (frame.kind, frame.aux, frame.a, frame.b) == (GP["KIND_ROUTE"], 0, self.id, 0)
            number = int.from_bytes(frame.payload[:8], "little")
            assert number not in names
            names[number] = frame.payload[8:].decode()
        return names

    def wait_mark(self) -> None:
        """Waits until the application writes a byte to its stderr."""
        assert os.read(self.process.stderr.fileno(), 1) == b"!"

    def abandon(self, slot: int) -> None:
        struct.pack_into("<I", self.board, slot * GP["SLOT_SIZE"] + GP["SLOT_NOTICE"], GP["NOTICE_ABANDONED"])

    def send(
        self,
        path: str = "/",
        method: str = "GET",
        body: bytes = b"",
        pairs: dict[str, str] | None = None,
        body_fd: int | None = None,
        body_size: int | None = None,
        payload_fd: bool = False,
        protocol: str = "HTTP/1.1",
        queued: bool = True,
        own: bool = False,
        flags: int = 0,
        pack: list[bytes] | None = None,
    ) -> tuple[int, int]:
        """Sends one request, or adds it to a packet that is still to be sent; returns slot and generation."""
        slot, self.next_slot = self.next_slot, (self.next_slot + 1) % SLOTS
        self.generation += 1
        if queued:
            self.queue_slot(slot, self.generation)
        entries = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "RAW_URI": path,
            "PATH_INFO": path.partition("?")[0],
            "QUERY_STRING": path.partition("?")[2],
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": protocol,
            "wsgi.url_scheme": "http",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "40000",
            "HTTP_HOST": "localhost:8000",
            "HTTP_USER_AGENT": "test",
            "HTTP_ACCEPT": "*/*",
            **(pairs or {}),
        }
        if body or body_fd is not None:
            entries["CONTENT_LENGTH"] = str(body_size if body_size is not None else len(body))
        payload = encode(entries, body, body_size if body_fd is not None else len(body), inline=body_fd is None)
        fds, close = [], []
        data = payload
        if payload_fd:
            flags |= GP["FLAG_PAYLOAD_FD"]
            fd = os.memfd_create("payload")
            os.write(fd, payload)
            fds.append(fd)
            close.append(fd)
            data = b""
        if body_fd is not None:
            flags |= GP["FLAG_BODY_FD"]
            fds.append(body_fd)
        frame = HEADER.pack(len(payload), GP["KIND_REQUEST"], flags, len(entries), slot, self.generation) + data
        if pack is None:
            self.raw(frame, fds, own)
        else:
            pack.append(frame)
        for fd in close:
            os.close(fd)
        return slot, self.generation

    def leave(self) -> None:
        """Tells one spare thread to end."""
        self.raw(HEADER.pack(0, GP["KIND_LEAVE"], 0, 0, 0, 0), own=True)

    def raw(self, packet: bytes, fds: list[int] | None = None, own: bool = False) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        (self.own if own else self.queue).sendmsg([packet], ancillary)

    def response(self, stream: int = 0) -> Response:
        """Reads frames up to END or ABORT."""
        r = Response()
        while True:
            frame = self.streams[stream].frame()
            assert frame is not None, f"the worker left: {self.stderr()}"
            r.frames.append(frame)
            if frame.kind == GP["KIND_INTERIM"]:
                _, fields, rest = parse_head(frame.payload)
                assert not rest
                r.interim.append((frame.aux, fields))
            elif frame.kind == GP["KIND_HEAD"]:
                assert r.status is None
                r.status = frame.aux
                r.reason, r.headers, r.body = parse_head(self.laid(frame))
            elif frame.kind == GP["KIND_BODY"]:
                assert r.status is not None
                r.body += self.laid(frame)
            elif frame.kind == GP["KIND_FILE"]:
                r.file = struct.unpack("<QQ", frame.payload)
                r.body += os.pread(frame.fds[0], r.file[1], r.file[0])
                os.close(frame.fds[0])
            elif frame.kind == GP["KIND_ABORT"]:
                r.abort = frame.aux
                return r
            if frame.flags & GP["FLAG_END"]:
                return r

    def laid(self, frame: Frame) -> bytes:
        """The payload, with what lies on the tray in place of its mark; the place is given back unless keep_tray."""
        if not frame.flags & GP["FLAG_TRAY"]:
            return frame.payload
        place, size = struct.unpack("<II", frame.payload[-8:])
        at = GP["TRAY_HEADER"] + place * GP["TRAY_PLACE_SIZE"]
        assert struct.unpack_from("<I", self.tray, 4 * place) == (1,)
        piece = self.tray[at : at + size]
        if not self.keep_tray:
            struct.pack_into("<I", self.tray, 4 * place, 0)
        return frame.payload[:-8] + piece

    def get(self, path: str = "/", **kwargs) -> Response:
        slot, generation = self.send(path, **kwargs)
        r = self.response()
        assert {(f.a, f.b) for f in r.frames} == {(slot, generation)}
        state = self.slot(slot)
        assert (state["generation"], state["state"]) == (generation, GP["SLOT_STATE_DONE"])
        return r

    # control

    def packet(self, timeout: float = DEADLINE) -> Frame | None:
        """The next packet on the control socket; None when it is closed or nothing comes."""
        if not select.select([self.control], [], [], timeout)[0]:
            return None
        data = self.control.recv(GP["MAX_PACKET"] + 1)
        if not data:
            return None
        length, *rest = HEADER.unpack_from(data)
        assert length == len(data) - 16
        return Frame(*rest, data[16:])

    def log(self) -> tuple[int, str]:
        frame = self.packet()
        assert frame is not None and frame.kind == GP["KIND_LOG"], frame
        return frame.aux, frame.payload.decode()

    def retiring(self) -> int:
        """Reads up to RETIRING and returns its cause."""
        while frame := self.packet():
            if frame.kind == GP["KIND_RETIRING"]:
                assert frame.a == self.id
                return frame.aux
        raise AssertionError("no RETIRING")

    def quiet(self) -> None:
        """Asserts that nothing was logged so far."""
        frame = self.packet(0)
        assert frame is None, frame

    # end

    def stderr(self) -> str:
        try:
            return self.process.communicate(timeout=DEADLINE)[1].decode()
        except subprocess.TimeoutExpired:
            return "(still running)"

    def stop(self) -> None:
        """Closes the queue; the worker leaves by itself."""
        self.queue.close()
        error = self.stderr()
        assert self.process.returncode == 0, error

    def destroy(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for sock in (self.queue, self.own, self.control, self.interrupts, *(s.sock for s in self.streams)):
            sock.close()
        self.board.close()
        os.close(self.board_fd)


def encode(entries: dict[str, str], body: bytes, size: int, inline: bool) -> bytes:
    out = [struct.pack("<Q", size)]
    for name, value in entries.items():
        raw = value.encode("latin-1")
        if name in KEYS:
            out.append(struct.pack("<BI", KEYS.index(name), len(raw)) + raw)
        else:
            key = name.encode("latin-1")
            out.append(struct.pack("<BH", 0, len(key)) + key + struct.pack("<I", len(raw)) + raw)
    if inline:
        out.append(body)
    return b"".join(out)


def wait_until(claim, what: str) -> None:
    """Waits for something that no descriptor announces (a word of shared memory, a process state)."""
    end = time.monotonic() + DEADLINE
    while not claim():
        assert time.monotonic() < end, f"waited in vain: {what}"
        select.select([], [], [], 0.001)
