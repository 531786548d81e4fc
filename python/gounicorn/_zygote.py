"""The fork server, which plays the part of gunicorn's arbiter: reads the config file, runs the hooks that gunicorn runs in its
master, imports the application when asked to, and forks workers for the master.

It is the only process that forks, and has one thread unless the configuration starts some. Master and zygote talk over a
SOCK_SEQPACKET socket at descriptor 3; prefork/wire/PROTOCOL.md is the specification, and
its numbers come from C (_gounicorn_process).
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

import _gounicorn_process as process

from gounicorn import _apploader, _cfg, _config, _exchange, _journal, _logging, _objects, _paste, _reload, _site
from gounicorn._journal import HEADER

EXIT_CONFIG = 1
EXIT_LOOP = 255  # gunicorn's, for what goes wrong in its main loop
NO_WORKERS = 0xFFFFFFFF  # in an EVENT: there was no number before
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
    has_tray: bool  # the next descriptor is the tray
    site: bool  # it is to tell of the site
    gate: bool  # a warm-up that fails is a failed boot
    fds: list[int] = field(repr=False)  # control, stdout, stderr, the own queue if any, the tray if any, one stream per thread

    @property
    def queue(self) -> int:
        """The own queue, from which spare threads read; -1: there is none."""
        return self.fds[3] if self.own_queue else -1

    @property
    def tray(self) -> int:
        """The memory for large pieces of bodies; -1: there is none."""
        return self.fds[3 + self.own_queue] if self.has_tray else -1

    @property
    def streams(self) -> list[int]:
        """The response streams, one per thread."""
        return self.fds[3 + self.own_queue + self.has_tray :]

    def close(self) -> None:
        """Close the descriptors, which are the child's business."""
        for fd in self.fds:
            os.close(fd)


@dataclass
class Birth:
    """What a forked child inherits."""

    job: Job
    boot: dict[str, Any]
    config: _config.Config
    server: _objects.Server
    worker: _objects.Worker


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
        size, kind, marks, aux, a, b = HEADER.unpack_from(packet)
        apart = bool(marks & process.FLAG_PAYLOAD_FD)
        fits = size <= process.MAX_PAYLOAD_FD and len(fds) > 0 if apart else size == len(packet) - HEADER.size
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or not fits:
            message = f"broken packet of {len(packet)} bytes"
            raise ValueError(message)
        if not apart:
            return kind, aux, a, b, packet[HEADER.size :], list(fds)
        with open(fds[0], "rb") as file:
            file.seek(0)
            return kind, aux, a, b, file.read(size), list(fds[1:])


class Zygote:
    """The loop: packets of the master, deaths of children, and the hooks that go with them."""

    def __init__(self, control: Control, boot: dict[str, Any], config: _config.Config, server: _objects.Server) -> None:
        """Serve a control socket; when it closes, children get the graceful timeout to leave."""
        self._control = control
        self._boot = boot
        self._config = config
        self._server = server
        self._grace = float(boot.get("graceful_timeout", DEFAULT_GRACE))
        self._children: dict[int, tuple[int, int]] = {}  # pidfd: worker id, pid
        self._poll = select.poll()
        self._leaving = False  # EXIT came
        self._ending = False  # it said that the server ends
        self._deadline: float | None = None  # the master has gone

    def serve(self) -> Birth | None:
        """Run until the last child is reaped. Returns what a forked child is, None in the zygote."""
        self._poll.register(self._control.socket, select.POLLIN)
        while self._children or not (self._leaving or self._deadline):
            for fd, _ in self._poll.poll(self._patience()):
                if fd in self._children:
                    self._reap(fd)
                elif (birth := self._packet()) is not None:
                    return birth
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._kill(signal.SIGKILL)
                self._deadline += KILL_AGAIN
        if self._ending and not self._boot.get("check"):
            self._try("on_exit", self._server)
        return None

    def _patience(self) -> float | None:
        """Return how long to wait for an event, in milliseconds."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) * 1000 + 1

    def _try(self, name: str, *args: Any) -> None:
        """Call a hook; an exception is for the log."""
        try:
            self._config.call(name, *args)
        except BaseException as error:
            _journal.write(process.ERROR, _config.blame(name, error))

    def _packet(self) -> Birth | None:
        received = self._control.receive()
        if received is None:
            self._poll.unregister(self._control.socket)
            self._deadline = time.monotonic() + self._grace  # workers read EOF on their own control sockets
            return None
        kind, aux, a, b, payload, fds = received
        own_queue, tray, site, gate = (
            bool(b & bit) for bit in (process.FORK_OWN_QUEUE, process.FORK_TRAY, process.FORK_SITE, process.FORK_GATE)
        )
        if kind == process.FORK and len(fds) == 3 + own_queue + tray + aux and len(payload) == 4:
            return self._fork(Job(a, aux, int.from_bytes(payload, "little"), own_queue, tray, site, gate, fds))
        for fd in fds:
            os.close(fd)
        if kind == process.EXIT:
            self._leaving = True
            self._ending = aux == process.EXIT_SERVER
        elif kind == process.EVENT:
            self._event(aux, a, b)
        elif kind == process.RECORD:
            _logging.take(aux, payload)
        else:
            _journal.write(process.ERROR, f"zygote: unexpected packet of kind {kind}")
        return None

    def _event(self, event: int, now: int, before: int) -> None:
        if event == process.WHEN_READY:
            _hook(self._control, self._config, "when_ready", self._server)
        elif event == process.NWORKERS_CHANGED:
            self._server.num_workers = now
            self._try("nworkers_changed", self._server, now, None if before == NO_WORKERS else before)
        elif event == process.PRE_EXEC:
            self._try("pre_exec", self._server)
        elif event == process.REOPEN:
            self._reopen()
        self._control.send(process.EVENT, aux=event, a=now, b=before)

    def _reopen(self) -> None:
        """Open log files again, here and in the workers."""
        try:
            _logging.reopen()
        except Exception as error:
            _journal.write(process.ERROR, f"reopen logs: {_apploader.describe(error)}")
        for pidfd in self._children:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGUSR1)

    def _fork(self, job: Job) -> Birth | None:
        worker = self._server.hire()
        try:
            self._config.call("pre_fork", self._server, worker)
        except BaseException as error:
            job.close()
            text = _config.blame("pre_fork", error)
            self._control.send(process.BOOT_FAILED, aux=EXIT_LOOP, a=job.worker, payload=text.encode("utf-8", "backslashreplace"))
            self._control.send(process.EXITED, a=job.worker, payload=(EXIT_LOOP << 8).to_bytes(4, "little"))
            return None
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the application may have closed or replaced them
        try:
            pid = os.fork()
        except OSError as error:
            job.close()
            _journal.write(process.ERROR, f"fork of worker {job.worker} failed: {error.strerror}")
            self._control.send(process.EXITED, a=job.worker, payload=(1 << 8).to_bytes(4, "little"))
            return None
        if pid == 0:
            for fd in self._children:
                os.close(fd)
            worker.pid = os.getpid()
            return Birth(job, self._boot, self._config, self._server, worker)
        job.close()
        worker.pid = pid
        self._server.WORKERS[pid] = worker
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
        gone = self._server.WORKERS.pop(pid, None)
        if gone is not None:
            self._try("child_exit", self._server, gone)

    def _kill(self, number: int) -> None:
        for pidfd in self._children:
            try:
                signal.pidfd_send_signal(pidfd, number)
            except ProcessLookupError:
                continue


def run(task: dict[str, Any]) -> Birth:
    """Be the zygote. Returns only in a forked child; the zygote leaves with an exit code."""
    gc.disable()  # nothing that is allocated from here to the fork shall leave holes to fill
    for number in IGNORED:
        # a handler, not SIG_IGN, which programs that the application starts would inherit
        signal.signal(number, _ignore)
    control = Control()
    process.set_name("gounicorn-zygot")
    process.set_title("gounicorn: zygote")
    gc.enable()
    config = _configure(control, task)
    boot = _await_boot(control)
    process.set_title(f"gounicorn: zygote [{boot.get('proc_name') or boot['app']}]")
    server = _objects.Server(boot)
    _boot(control, boot, config, server)
    if boot.get("preload") or boot.get("check"):
        _site.tell()
    gc.disable()
    gc.collect()
    gc.freeze()
    control.send(process.LOADED)
    birth = Zygote(control, boot, config, server).serve()
    if birth is None:
        _flush()
        os._exit(0)
    control.socket.detach()  # descriptor 3 becomes the worker's own control socket
    return birth


def _configure(control: Control, task: dict[str, Any]) -> _config.Config:
    """Evaluate the config file where gunicorn would, and tell the master what it says."""
    directory = task["directory"]
    _change_directory(control, directory)
    sys.argv = list(task["argv"])
    os.environ["SERVER_SOFTWARE"] = task["server_software"]
    _cfg.use(task["defaults"])  # for a file that makes a cfg of its own
    try:
        framework, warnings = _paste.settings(task["paste"], directory) if task["paste"] else ({}, [])
        config = _config.evaluate(task["config"], task["settings"], task["hooks"])
        config.warnings[:0] = warnings
        document = json.dumps({**config.document(), "framework": framework}, ensure_ascii=True).encode()
        if len(document) > process.MAX_PAYLOAD_FD:
            message = f"{config.path}: the values are {len(document)} bytes long, and {process.MAX_PAYLOAD_FD} is the most"
            raise _config.ConfigError(message)
    except _config.ConfigError as error:
        _fail(control, error.code, str(error))
    except _paste.PasteError as error:
        _fail(control, EXIT_CONFIG, f"Error: {error}")
    finally:
        _flush()  # what the file printed
    _journal.send_document(process.CONFIGURED, document)
    return config


def _await_boot(control: Control) -> dict[str, Any]:
    """Return the boot document. A master that does not want this zygote any more sends EXIT, or goes."""
    received = control.receive()
    if received is None or received[0] == process.EXIT:
        _flush()
        os._exit(0)
    kind, payload = received[0], received[4]
    if kind != process.BOOT:
        _fail(control, EXIT_CONFIG, f"zygote: packet of kind {kind} in place of BOOT")
    boot: dict[str, Any] = json.loads(payload)
    return boot


def _boot(control: Control, boot: dict[str, Any], config: _config.Config, server: _objects.Server) -> None:
    """Do what comes before the first fork, in gunicorn's order; the user is changed before the application is imported."""
    _prepare(control, boot)
    _equip(control, boot, config, server)
    if boot["settings"].get("reload") and not boot.get("check"):
        _reload.enable()
    if boot.get("check"):  # only whether the application loads
        _preload(control, boot["app"])
        return
    _hook(control, config, "nworkers_changed", server, boot["workers"], boot.get("workers_before"))
    starting = "on_starting" if boot["generation"] == 1 else "on_reload"
    drops = _drops(boot)
    if boot.get("preload") and not drops:
        _preload(control, boot["app"])
    _hook(control, config, starting, server)
    if drops:
        _drop(control, boot)
        if boot.get("preload"):
            _preload(control, boot["app"])


def _equip(control: Control, boot: dict[str, Any], config: _config.Config, server: _objects.Server) -> None:
    """Give the server its cfg and its log."""
    objects = config.objects(boot["settings"]) | config.hooks
    if "post_request" in objects:
        objects["post_request"] = _exchange.adapted(objects["post_request"])
    server.cfg = server.app.cfg = _cfg.use(boot["settings"], objects)
    try:
        server.log = _logging.start(server.cfg, native=not boot["python_logs"], master=server.pid)
    except RuntimeError as error:
        _fail(control, EXIT_CONFIG, f"Error: {str(error).removeprefix('Error: ')}")
    except Exception as error:
        _fail(control, EXIT_CONFIG, f"The logger cannot be set up: {_apploader.describe(error)}")


def _prepare(control: Control, boot: dict[str, Any]) -> None:
    """Set environment, directory and import path."""
    os.environ.update(boot.get("env") or {})
    if boot.get("chdir"):
        _change_directory(control, boot["chdir"])
    for path in boot.get("pythonpath") or []:
        absolute = os.path.abspath(path)
        if absolute not in sys.path:
            sys.path.insert(0, absolute)


def _change_directory(control: Control, path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        _fail(control, EXIT_CONFIG, f"cannot change to the directory {error.filename!r}: {error.strerror}.")
    current = os.getcwd()
    if current not in sys.path:
        sys.path.insert(0, current)


def _drops(boot: dict[str, Any]) -> bool:
    """Tell whether the process is to become somebody else."""
    uid, gid = boot.get("uid"), boot.get("gid")
    return (uid is not None and uid != os.geteuid()) or (gid is not None and gid != os.getegid())


def _drop(control: Control, boot: dict[str, Any]) -> None:
    """Become the user of the boot document. groups: the supplementary groups; None leaves them."""
    try:
        if boot.get("groups") is not None:
            os.setgroups(boot["groups"])
        if boot.get("gid") is not None:
            os.setgid(boot["gid"])
        if boot.get("uid") is not None:
            os.setuid(boot["uid"])
    except OSError as error:
        who = f"user {boot.get('uid')}, group {boot.get('gid')}"
        _fail(
            control, EXIT_CONFIG, f"cannot become {who}: {error.strerror}; start gounicorn as root or leave user and group out."
        )
    process.set_dumpable()


def _hook(control: Control, config: _config.Config, name: str, *args: Any) -> None:
    """Call a hook without which there is no start."""
    try:
        config.call(name, *args)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else EXIT_CONFIG
        _fail(control, code & 0xFF or EXIT_CONFIG, f"The hook {name} called sys.exit({error.code!r}).")
    except BaseException as error:
        _fail(control, EXIT_CONFIG, _config.blame(name, error))
    finally:
        _flush()


def _preload(control: Control, app: str) -> None:
    code, text = _apploader.load_or_explain(app)
    if code:
        _fail(control, EXIT_CONFIG, text)  # as gunicorn: 3 and 4 are of workers
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        names = ", ".join(others)
        _journal.write(process.WARNING, f"importing {app} started threads, which do not run in the workers: {names}")


def _fail(control: Control, code: int, text: str) -> NoReturn:
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
