"""The fork server: imports the application when asked to, then forks workers for the master.

It is the only process that forks, and has one thread. Master and zygote talk over a SOCK_SEQPACKET socket at descriptor 3;
prefork/wire/PROTOCOL.md is the specification, whose numbers come from C (_gounicorn_process).
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import _gounicorn_process as process

from gounicorn import _apploader

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CONFIG = 1
HEADER = struct.Struct("<IBBHII")  # length, kind, flags, aux, a, b
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH)
DEFAULT_GRACE = 30.0  # seconds that children get once the master has gone
KILL_AGAIN = 1.0  # seconds between two tries


@dataclass
class Job:
    """What a FORK packet asks for; in the child, what the worker is."""

    worker: int
    threads: int
    max_requests: int
    own_queue: bool  # the fourth descriptor is the own queue's end to read
    fds: list[int] = field(repr=False)  # control, stdout, stderr, the own queue if any, one stream per thread

    @property
    def queue(self) -> int:
        """The own queue, from which spare threads read; -1: there is none."""
        return self.fds[3] if self.own_queue else -1

    @property
    def streams(self) -> list[int]:
        """The response streams, one per thread."""
        return self.fds[3 + self.own_queue :]

    def close(self) -> None:
        """Close the descriptors, which are the child's business."""
        for fd in self.fds:
            os.close(fd)


class Control:
    """The zygote's end of its control socket."""

    def __init__(self) -> None:
        """Take over descriptor 3."""
        self.socket = socket.socket(fileno=process.FD_CONTROL)

    def send(self, kind: int, *, aux: int = 0, a: int = 0, b: int = 0, payload: bytes = b"", fd: int | None = None) -> None:
        """Send one packet. A master that has gone is noticed when reading, not here."""
        payload = payload[: process.MAX_PACKET - process.HEADER_SIZE]
        packet = HEADER.pack(len(payload), kind, 0, aux, a, b) + payload
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendmsg([packet], rights, socket.MSG_NOSIGNAL)

    def log(self, level: int, text: str) -> None:
        """Put a line into the master's log."""
        self.send(process.LOG, aux=level, payload=text.encode("utf-8", "backslashreplace"))

    def receive(self) -> tuple[int, int, int, int, bytes, list[int]] | None:
        """Return kind, aux, a, b, payload and descriptors of one packet, or None when the master has gone."""
        fds = array.array("i")
        room = socket.CMSG_LEN(process.MAX_FDS * fds.itemsize)
        try:
            # not socket.recv_fds, which ignores its flags argument
            packet, rights, flags, _ = self.socket.recvmsg(process.MAX_PACKET, room, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return None
        for level, kind, data in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if not packet:
            return None
        size, kind, _, aux, a, b = HEADER.unpack_from(packet)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or size != len(packet) - HEADER.size:
            message = f"broken packet of {len(packet)} bytes"
            raise ValueError(message)
        return kind, aux, a, b, packet[HEADER.size :], list(fds)


class Zygote:
    """The loop: packets of the master, deaths of children."""

    def __init__(self, control: Control, grace: float) -> None:
        """Serve a control socket; when it closes, children get grace seconds to leave."""
        self._control = control
        self._grace = grace
        self._children: dict[int, tuple[int, int]] = {}  # pidfd: worker id, pid
        self._poll = select.poll()
        self._leaving = False  # EXIT came
        self._deadline: float | None = None  # the master has gone

    def serve(self) -> Job | None:
        """Run until the last child is reaped. Returns a job in a forked child, None in the zygote."""
        self._poll.register(self._control.socket, select.POLLIN)
        while self._children or not (self._leaving or self._deadline):
            for fd, _ in self._poll.poll(self._patience()):
                if fd in self._children:
                    self._reap(fd)
                elif (job := self._packet()) is not None:
                    return job
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._kill(signal.SIGKILL)
                self._deadline += KILL_AGAIN
        return None

    def _patience(self) -> float | None:
        """Return how long to wait for an event, in milliseconds."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) * 1000 + 1

    def _packet(self) -> Job | None:
        received = self._control.receive()
        if received is None:
            self._poll.unregister(self._control.socket)
            self._deadline = time.monotonic() + self._grace  # workers read EOF on their own control sockets
            return None
        kind, aux, a, b, payload, fds = received
        if kind == process.FORK and b <= 1 and len(fds) == 3 + b + aux and len(payload) == 4:
            return self._fork(Job(a, aux, int.from_bytes(payload, "little"), bool(b), fds))
        for fd in fds:
            os.close(fd)
        if kind == process.EXIT:
            self._leaving = True
        else:
            self._control.log(process.ERROR, f"zygote: unexpected packet of kind {kind}")
        return None

    def _fork(self, job: Job) -> Job | None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the application may have closed or replaced them
        try:
            pid = os.fork()
        except OSError as error:
            job.close()
            self._control.log(process.ERROR, f"fork of worker {job.worker} failed: {error.strerror}")
            self._control.send(process.EXITED, a=job.worker, payload=(1 << 8).to_bytes(4, "little"))
            return None
        if pid == 0:
            for fd in self._children:
                os.close(fd)
            return job
        job.close()
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = job.worker, pid
        self._poll.register(pidfd, select.POLLIN)
        self._control.send(process.FORKED, a=job.worker, b=pid, fd=pidfd)
        return None

    def _reap(self, pidfd: int) -> None:
        worker, pid = self._children[pidfd]
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # something in the application waited for it, or ignores SIGCHLD
            done, status = pid, 0
        if done == 0:
            return
        self._poll.unregister(pidfd)
        os.close(pidfd)
        del self._children[pidfd]
        self._control.send(process.EXITED, a=worker, b=pid, payload=status.to_bytes(4, "little"))

    def _kill(self, number: int) -> None:
        for pidfd in self._children:
            try:
                signal.pidfd_send_signal(pidfd, number)
            except ProcessLookupError:
                continue


def run(boot: dict[str, Any], prepare: Callable[[dict[str, Any]], None]) -> Job:
    """Be the zygote. Returns only in a forked child; the zygote leaves with an exit code."""
    gc.disable()  # nothing that is allocated from here to the fork shall leave holes to fill
    for number in IGNORED:
        # a handler, not SIG_IGN, which programs that the application starts would inherit
        signal.signal(number, _ignore)
    control = Control()
    title = boot.get("proc_name") or boot["app"]
    process.set_name("gounicorn-zygot")
    process.set_title(f"gounicorn: zygote [{title}]")
    try:
        prepare(boot)
    except OSError as error:
        _fail(control, EXIT_CONFIG, f"cannot change to the directory {error.filename!r}: {error.strerror}.")
    if boot.get("preload"):
        _preload(control, boot["app"])
    gc.collect()
    gc.freeze()
    control.send(process.LOADED)
    job = Zygote(control, float(boot.get("graceful_timeout", DEFAULT_GRACE))).serve()
    if job is None:
        _flush()
        os._exit(0)
    control.socket.detach()  # descriptor 3 becomes the worker's own control socket
    return job


def _preload(control: Control, app: str) -> None:
    gc.enable()
    code, text = _apploader.load_or_explain(app)
    gc.disable()
    if code:
        _fail(control, code, text)
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        names = ", ".join(others)
        control.log(process.WARNING, f"importing {app} started threads, which do not run in the workers: {names}")


def _fail(control: Control, code: int, text: str) -> None:
    control.send(process.BOOT_FAILED, aux=code, payload=text.encode("utf-8", "backslashreplace"))
    _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def _ignore(number: int, frame: object) -> None:
    """Do nothing about a signal."""
