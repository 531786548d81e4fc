"""Processes: starting servers and load generators, seeing their whole tree in /proc, and leaving none behind.

The bench is a child subreaper, every program it starts leads a session of its own, and what such a program leaves
orphaned comes back to the bench, which ends it. Nothing else is ever signalled.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.02
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Stat:
    """Stat is what /proc/PID/stat says about one process."""

    pid: int
    state: str
    parent: int
    session: int
    cpu_seconds: float  # of the process and of the children it has waited for
    started: int  # in clock ticks after boot: with the pid, the identity of a process


def stat(pid: int) -> Stat | None:
    """Return the process's figures, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return Stat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_seconds=sum(int(value) for value in fields[11:15]) / _TICKS,
        started=int(fields[19]),
    )


def all_processes() -> dict[int, Stat]:
    found = (stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {each.pid: each for each in found if each is not None}


def _memory(pids: Iterable[int], names: tuple[str, ...]) -> int:
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(names))
    return total


def pss_kb(pids: Iterable[int]) -> int:
    """Sum of the proportional set sizes: every shared page counted once, split among those who share it."""
    return _memory(pids, ("Pss:",))


def private_kb(pids: Iterable[int]) -> int:
    """Sum of the pages that nobody else maps: what one more such process costs."""
    return _memory(pids, ("Private_Clean:", "Private_Dirty:"))


def _in_child() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Processes:
    """Processes starts every program of one run of the bench and ends all of them on close."""

    def __init__(self) -> None:
        if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "become a child subreaper")
        self._running: list[subprocess.Popen[bytes]] = []

    def spawn(
        self, command: Sequence[str], *, cwd: Path, env: dict[str, str], output: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in its own session; its output is appended to the file, or piped back without one."""
        with output.open("ab") if output else nullcontext(subprocess.PIPE) as target:
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=target,
                start_new_session=True,
                preexec_fn=_in_child,
            )
        self._running.append(child)
        return child

    def forget(self, child: subprocess.Popen[bytes]) -> None:
        """Drop a program that has ended and been waited for."""
        self._running.remove(child)

    def stop(self, children: Sequence[subprocess.Popen[bytes]], grace: float) -> int:
        """End programs and everything below them: ask, wait, kill, reap. Return how many had to be killed."""
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        killed: set[tuple[int, int]] = set()
        hard_deadline = time.monotonic() + 10
        while left := self._left_of(children):
            for each in left:
                if each.state != "Z" and (each.pid, each.started) not in killed:
                    killed.add((each.pid, each.started))
                    _kill(each)
            self._reap(children)
            if time.monotonic() > hard_deadline:
                raise RuntimeError(f"processes would not end: {sorted(each.pid for each in left)}")
            time.sleep(_POLL_SECONDS)
        for child in children:
            child.wait()
            self._running.remove(child)
        return len(killed)

    def close(self) -> None:
        """End whatever still runs."""
        self.stop(list(self._running), grace=2.0)

    def _left_of(self, children: Sequence[subprocess.Popen[bytes]]) -> list[Stat]:
        roots = {child.pid for child in children}
        others = {child.pid for child in self._running} - roots
        everyone = all_processes()
        left = tree(roots, everyone)
        adopted = (each for each in everyone.values() if each.parent == os.getpid())
        left.extend(each for each in adopted if each.pid not in others and each not in left)
        ended = {child.pid for child in children if child.poll() is not None}
        return [each for each in left if each.pid not in ended and each.session not in others]

    def _reap(self, children: Sequence[subprocess.Popen[bytes]]) -> None:
        known = {child.pid for child in [*children, *self._running]}
        for each in all_processes().values():
            if each.parent == os.getpid() and each.pid not in known:
                try:
                    os.waitpid(each.pid, os.WNOHANG)
                except ChildProcessError:
                    pass
        for child in children:
            child.poll()


def _kill(each: Stat) -> None:
    kill_exactly(each, signal.SIGKILL)


def kill_exactly(target: Stat, number: signal.Signals) -> bool:
    """Signal that very process: by descriptor, and only if its pid has not been reused since it was looked at."""
    try:
        descriptor = os.pidfd_open(target.pid)
    except ProcessLookupError:
        return False
    try:
        now = stat(target.pid)
        if now is None or now.started != target.started:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def tree(roots: set[int], everyone: dict[int, Stat]) -> list[Stat]:
    """Return the roots, all below them, and orphans that still are in a root's session."""
    children: dict[int, list[int]] = {}
    for each in everyone.values():
        children.setdefault(each.parent, []).append(each.pid)
    found: dict[int, Stat] = {}
    waiting = [pid for pid in everyone if pid in roots or everyone[pid].session in roots]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = everyone[pid]
            waiting.extend(children.get(pid, ()))
    return list(found.values())


@dataclass
class Group:
    """Group is one server: the programs that make it up and everything they have started."""

    processes: Processes
    roots: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def members(self) -> list[Stat]:
        """Every live process of the server."""
        return [each for each in self._all() if each.state != "Z"]

    def _all(self) -> list[Stat]:
        return tree({root.pid for root in self.roots}, all_processes())

    def cpu_seconds(self) -> float:
        """CPU time of the whole tree, user and system, with the members that have died and been reaped."""
        return sum(each.cpu_seconds for each in self._all())

    def deepest(self) -> list[Stat]:
        """The first program's processes farthest from it: the workers, whether the master or a zygote forked them."""
        below = tree({root.pid for root in self.roots[:1]}, all_processes())
        members = {each.pid: each for each in below if each.state != "Z"}

        def depth(each: Stat) -> int:
            above = members.get(each.parent)
            return 0 if above is None else 1 + depth(above)

        depths = {pid: depth(each) for pid, each in members.items()}
        lowest = max(depths.values(), default=0)
        return [members[pid] for pid, level in depths.items() if level == lowest]

    def ended(self) -> bool:
        """Whether one of the programs has ended by itself."""
        return any(root.poll() is not None for root in self.roots)

    def settle(self, deadline_seconds: float) -> None:
        """Wait until the server is idle: its workers have loaded the application."""
        deadline = time.monotonic() + deadline_seconds
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(0.3)
            now = self.cpu_seconds()
            if now - before <= 0.02:
                return
            before = now

    def stop(self, grace: float = 8.0) -> int:
        """End the server; return how many processes had to be killed."""
        roots, self.roots = self.roots, []
        return self.processes.stop(roots, grace)
