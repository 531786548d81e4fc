"""Scenario overload: what is left of a server when more is asked of it than it can do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .mixed import SLOW, check
from .progress import Progress
from .runner import CellError, Runner, Running
from .scenario import (
    START_STOP_SECONDS,
    Cell,
    Options,
    Record,
    by_server,
    markdown,
    measured,
    median,
    reasons,
    without_figures,
)
from .servers import SERVERS

_WORKERS = 4
_DEADLINE_SECONDS = 10.0
_LEVELS = (0.5, 1.0, 2.0, 3.0)
_PDF_SECONDS = 5.0  # in less, few PDFs are answered
_HOME_RATE = 20.0  # home pages a second beside the PDFs


@dataclass(frozen=True)
class _Kind:
    title: str
    text: str
    servers: tuple[str, ...]


_KINDS = {
    "page": _Kind(
        "the home page itself is too much",
        "Capacity is what 16 clients in a closed loop get.",
        ("gounicorn", "gunicorn", "granian", "uwsgi"),
    ),
    "pdf": _Kind(
        f"PDFs are too much, {_HOME_RATE:g} home pages a second beside them",
        "Capacity is what 8 visitors in a closed loop get beside the home page.",
        ("gounicorn", "granian-4t"),
    ),
}


class Overload:
    """Overload asks at multiples of the measured capacity, whatever becomes of the questions."""

    name = "overload"
    plots = ("overload",)
    needs_site = True
    needs_wrk = True

    def cells(self, options: Options) -> list[Cell]:
        seconds = options.seconds or (2.0 if options.quick else 6.0)
        workers = options.workers or _WORKERS
        # Above capacity a queue without bound needs as long as the deadline until it shows what it is.
        warmups = [1.0 if options.quick else (3.0 if level <= 1 else _DEADLINE_SECONDS) for level in _LEVELS]
        return [
            self._cell(key, kind, seconds, warmups, workers, number)
            for number in range(1, (options.rounds or 1) + 1)
            for kind in _KINDS
            for key in options.chosen(_KINDS[kind].servers)
        ]

    def _cell(self, key: str, kind: str, seconds: float, warmups: Sequence[float], workers: int, number: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            points = []
            with runner.serve(SERVERS[key], runner.site(workers)) as running:
                check(running, kind, "learned", "/")
                capacity = _capacity(runner, running, kind, seconds)
                for level, warmup in zip(_LEVELS, warmups, strict=True):
                    progress.detail(f"{level:g} x {capacity:.1f}/s")
                    running.group.settle(15.0)
                    points.append(_ask(runner, running, kind, level * capacity, warmup, seconds) | {"level": level})
            record = {"kind": kind, "slots": SERVERS[key].slots(workers), "capacity": capacity, "points": points}
            text = ", ".join(f"{point['level']:g} x: {point['goodput']:.1f}/s" for point in points)
            return record, f"capacity {capacity:.1f}/s, goodput {text}"

        estimate = START_STOP_SECONDS + 6 + seconds + sum(warmups) + len(_LEVELS) * (seconds + 1)
        return Cell(self.name, key, f"overload {kind} {key} round {number}", estimate, run)

    def table(self, records: Sequence[Record]) -> str:
        parts = [
            f"### overload: more than the server can do, {_WORKERS} workers\n\n"
            f"Open loop at multiples of the server's own capacity. Goodput is answers a second within {_DEADLINE_SECONDS:.0f} s "
            "of the moment they were due, by clients that then leave; *of peak* divides it by the best of the four levels. "
            "Refused: answers other than 200 and connections not made, of the questions due."
        ]
        for kind, about in _KINDS.items():
            groups = by_server([record for record in records if record["label"].split()[1] == kind])
            rows = []
            for key, group in groups.items():
                good = measured(group)
                if not good:
                    rows.append([SERVERS[key].label, without_figures(group), *[""] * 7])
                    continue
                rows += _rows(SERVERS[key].label, kind, good)
            if rows:
                head = [
                    "server",
                    "asked : capacity",
                    "asked/s",
                    "goodput/s",
                    "of peak",
                    "refused",
                    "p50 ms",
                    "p99 ms",
                    "home p99 ms",
                ]
                parts.append(f"**{about.title}**\n\n{about.text}\n\n" + markdown(head, rows))
        return "\n\n".join(parts)


def _rows(label: str, kind: str, good: Sequence[Record]) -> list[list[str]]:
    levels = [[record["points"][i] for record in good] for i in range(len(_LEVELS))]
    peak = max(median(points, "goodput") for points in levels)
    rows = []
    for points in levels:
        due = sum(point["due"] for point in points)
        refused = sum(sum(point["errors"].values()) for point in points)
        rows.append(
            [
                label,
                f"{points[0]['level']:g}",
                f"{median(points, 'rate'):.1f}",
                f"{median(points, 'goodput'):.1f}",
                f"{median(points, 'goodput') / peak:.0%}" if peak else "–",
                f"{refused / due:.0%}" if due else "–",
                f"{median(points, 'p50_ms'):,.0f}",
                f"{median(points, 'p99_ms'):,.0f}",
                f"{median(points, 'home_p99_ms'):,.0f}" if kind == "pdf" else "",
            ]
        )
    return rows


def _capacity(runner: Runner, running: Running, kind: str, seconds: float) -> float:
    """Answers a second in a closed loop."""
    if kind == "page":
        figures = runner.wrk(f"http://{running.address}/", connections=16, seconds=max(2.0, seconds / 2))
        answers = figures["requests"] / figures["seconds"]
    else:
        seconds = max(_PDF_SECONDS, seconds)
        arguments = ["-visitors=8", "-warmup=1s", f"-measure={seconds}s"]
        answers = _mixed(runner, running, kind, _HOME_RATE, arguments, seconds + 1)["slow"]["per_second"]
    if answers == 0:
        raise CellError(f"{running.server.label} answered nothing:\n{running.log_tail()}")
    return float(answers)


def _ask(runner: Runner, running: Running, kind: str, rate: float, warmup: float, seconds: float) -> Record:
    arguments = [f"-warmup={warmup}s", f"-measure={seconds}s", "-cut"]
    if kind == "page":
        point = _mixed(runner, running, kind, rate, arguments, warmup + seconds)["home"]
    else:
        figures = _mixed(runner, running, kind, _HOME_RATE, [*arguments, f"-slow-rate={rate}"], warmup + seconds)
        point = figures["slow_rate"] | {"home_p99_ms": figures["home"]["p99_ms"], "home_goodput": figures["home"]["goodput"]}
    point["rate"] = rate
    point["why"] = reasons(point["errors"])
    return dict(point)


def _mixed(runner: Runner, running: Running, kind: str, rate: float, arguments: list[str], seconds: float) -> Record:
    base = f"http://{running.address}"
    command = ["mixed", f"-url={base}/", f"-rate={rate}", f"-timeout={_DEADLINE_SECONDS}s", *arguments]
    if kind in SLOW:
        command.append(f"-slow-url={base}{SLOW[kind].learned}")
    return runner.load(command, limit=seconds + 2 * _DEADLINE_SECONDS + 10)
