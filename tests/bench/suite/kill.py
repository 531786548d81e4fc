"""Scenarios kill and echo: workers are killed under load; nothing unstarted is lost, nothing is mixed up."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .procs import Group, kill_exactly
from .progress import Progress
from .runner import Runner, Running
from .scenario import START_STOP_SECONDS, Cell, Options, Record, markdown, measured, reasons, without_figures
from .servers import SERVERS

_WORKERS = 4
_TIMEOUT_SECONDS = 2
_STALL_MS = 5000  # well past the server's time-out
_LIMIT_SECONDS = 1800.0


class Killer:
    """Killer ends a random worker now and then, at moments drawn from the given seed."""

    def __init__(self, group: Group, mean_seconds: float, seed: int) -> None:
        self.kills = 0
        self._group = group
        self._mean = mean_seconds
        self._random = random.Random(seed)
        self._parents = {each.parent for each in group.deepest()}
        self._next = time.monotonic() + self._pause()

    def tick(self) -> None:
        """Kill one worker if it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._pause()
        workers = [each for each in self._group.members() if each.parent in self._parents]
        if workers and kill_exactly(self._random.choice(workers), signal.SIGKILL):
            self.kills += 1

    def _pause(self) -> float:
        return self._random.expovariate(1 / self._mean)


@dataclass(frozen=True)
class Kill:
    """Kill counts requests that were lost although the application had not started them."""

    name: str = "kill"
    default_servers: tuple[str, ...] = ("gounicorn",)
    plots: tuple[str, ...] = ()
    needs_site: bool = False
    needs_wrk: bool = False

    def cells(self, options: Options) -> list[Cell]:
        requests = options.kill_requests or (2_000 if options.quick else 10_000)
        workers = options.workers or _WORKERS
        return [self._cell(key, requests, workers) for key in options.chosen(self.default_servers)]

    def _cell(self, key: str, requests: int, workers: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            scratch = runner.environment.build
            started, outcomes = scratch / "kill-started.txt", scratch / "kill-outcomes.txt"
            started.write_text("", encoding="ascii")
            launch = runner.echo(workers, 30, {"BENCH_STARTED": str(started)})
            with runner.serve(SERVERS[key], launch) as running:
                killer = Killer(running.group, mean_seconds=0.4, seed=1)
                arguments = ["echo", f"-url=http://{running.address}/echo", f"-requests={requests}", "-concurrency=24"]
                arguments += ["-work-ms=20", "-gets=0.5", f"-outcomes={outcomes}"]
                figures = _load_and_kill(runner, progress, running, arguments, killer, requests)
            record = {"kills": killer.kills, **figures, **judge(started, outcomes)}
            _promise(record, key, "lost although not started", record["lost_not_started"])
            _promise(record, key, "POST requests started twice", record["post_started_twice"])
            _promise(record, key, "mixed up", record["outcomes"].get("mixed", 0))
            return record, _kill_brief(record)

        estimate = START_STOP_SECONDS + requests * 0.012 / workers
        return Cell(self.name, key, f"kill {key}", estimate, run)

    def table(self, records: Sequence[Record]) -> str:
        rows = []
        for record in records:
            label = SERVERS[record["server"]].label
            if not measured([record]):
                rows.append([label, without_figures([record]), *[""] * 7])
                continue
            rows.append(
                [
                    label,
                    f"{record['requests']:,}",
                    str(record["kills"]),
                    str(record["lost_not_started"]),
                    str(record["lost_get"]),
                    str(record["lost_post"]),
                    str(record["post_started_twice"]),
                    str(record["outcomes"].get("mixed", 0)),
                    reasons({name: count for name, count in record["outcomes"].items() if name != "ok"}) or "none",
                ]
            )
        head = [
            "server",
            "requests",
            "kill -9",
            "lost, not started",
            "lost GET",
            "lost POST",
            "POST started twice",
            "mixed up",
            "answers other than 200",
        ]
        text = (
            "### kill: kill -9 of random workers under load\n\n"
            "Half of the requests are GET, which a server may run again; a POST that had started is lost with its worker. "
            "The application writes each request's nonce to a file before it does anything else: that is what started means. "
            "A POST whose worker is killed in the moment between its start and that line counts as lost although not started."
        )
        return f"{text}\n\n" + markdown(head, rows)


@dataclass(frozen=True)
class Echo:
    """Echo sends many requests while workers die, time out and clients leave, and counts answers given to another."""

    name: str = "echo"
    default_servers: tuple[str, ...] = ("gounicorn",)
    plots: tuple[str, ...] = ()
    needs_site: bool = False
    needs_wrk: bool = False

    def cells(self, options: Options) -> list[Cell]:
        requests = options.echo_requests or (50_000 if options.quick else 500_000)
        workers = options.workers or _WORKERS
        return [self._cell(key, requests, workers) for key in options.chosen(self.default_servers)]

    def _cell(self, key: str, requests: int, workers: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            stalls = max(2, requests // 25_000)
            with runner.serve(SERVERS[key], runner.echo(workers, _TIMEOUT_SECONDS, {})) as running:
                killer = Killer(running.group, mean_seconds=1.5, seed=2)
                arguments = ["echo", f"-url=http://{running.address}/echo", f"-requests={requests}", "-concurrency=64"]
                arguments += ["-gets=0.3", "-abandon=0.002", f"-stalls={stalls}", f"-stall-ms={_STALL_MS}"]
                figures = _load_and_kill(runner, progress, running, arguments, killer, requests)
            record = {"kills": killer.kills, "stalls": stalls, **figures}
            _promise(record, key, "mixed up", record["outcomes"].get("mixed", 0))
            return record, f"{requests:,} requests, {killer.kills} kills, {figures['outcomes']}"

        return Cell(self.name, key, f"echo {key}", START_STOP_SECONDS + 5 + requests / 8_000, run)

    def table(self, records: Sequence[Record]) -> str:
        rows = []
        for record in records:
            label = SERVERS[record["server"]].label
            if not measured([record]):
                rows.append([label, without_figures([record]), *[""] * 5])
                continue
            rows.append(
                [
                    label,
                    f"{record['requests']:,}",
                    f"{record['seconds']:.0f}",
                    str(record["kills"]),
                    str(record["stalls"]),
                    str(record["outcomes"].get("mixed", 0)),
                    reasons({name: count for name, count in record["outcomes"].items() if name != "ok"}) or "none",
                ]
            )
        head = ["server", "requests", "seconds", "kill -9", "time-outs forced", "mixed up", "answers other than 200"]
        text = (
            "### echo: every answer is its own request's\n\n"
            "Each request carries a nonce in path, header and body, and the answer must carry it back, while workers are "
            "killed, requests outlast the server's time-out and clients leave before the answer."
        )
        return f"{text}\n\n" + markdown(head, rows)


def _load_and_kill(
    runner: Runner, progress: Progress, running: Running, arguments: list[str], killer: Killer, requests: int
) -> Record:
    if not running.keeps_connections("/echo/ready"):
        arguments.append("-fresh")

    def tick(done: int | None) -> None:
        killer.tick()
        if done is not None:
            progress.detail(f"{done / requests:.0%}")

    return runner.load(arguments, limit=_LIMIT_SECONDS, tick=tick)


def judge(started: Path, outcomes: Path) -> Record:
    """Compare what clients got with what the application started."""
    starts = Counter(started.read_text(encoding="ascii").split())
    lost: Counter[str] = Counter()
    lost_not_started, post_twice, unstarted_answers = [], 0, 0
    for line in outcomes.read_text(encoding="utf-8").splitlines():
        nonce, method, outcome = line.split(" ", 2)
        if method == "POST" and starts[nonce] > 1:
            post_twice += 1
        if outcome == "ok":
            unstarted_answers += starts[nonce] == 0
            continue
        lost[method] += 1
        if starts[nonce] == 0:
            lost_not_started.append(f"{method} {outcome}")
    return {
        "lost_not_started": len(lost_not_started),
        "lost_not_started_how": Counter(lost_not_started),
        "lost_get": lost["GET"],
        "lost_post": lost["POST"],
        "post_started_twice": post_twice,
        "answered_without_start": unstarted_answers,
    }


def _promise(record: Record, server: str, what: str, count: int) -> None:
    """A count that must be 0 for gounicorn; for a peer it is only a figure."""
    if count and server.startswith("gounicorn"):
        record.setdefault("broken", []).append(f"{count} {what}")


def _kill_brief(record: Record) -> str:
    text = f"{record['kills']} kills, lost not started {record['lost_not_started']}, "
    text += f"GET {record['lost_get']}, POST {record['lost_post']}"
    how = reasons(record["lost_not_started_how"])
    return f"{text} ({how})" if how else text
