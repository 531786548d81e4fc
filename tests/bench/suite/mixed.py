"""Scenario mixed: is the home page fast while others make PDFs, or wait for something slow?"""

from __future__ import annotations

import os
import statistics
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

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
    spread,
    without_figures,
)
from .servers import SERVERS


@dataclass(frozen=True)
class Slow:
    """Slow is one kind of slow page, at one address and at addresses that no request had before."""

    title: str
    learned: str
    new: str  # "{}" stands for a word of its own per request
    magic: bytes  # how the answer begins

    def path(self, route: str) -> str:
        return self.new if route == "new" else self.learned


SLOW = {
    "pdf": Slow("render a PDF (CPU)", "/contract/1/download", "/report/{}/", b"%PDF"),
    "wait": Slow("wait 2 s (no CPU)", "/contract/1/scan", "/survey/{}/", b""),
}
ROUTES = {"learned": "always the same address", "new": "an address never asked for before each time"}
_WORKERS = 4
_VISITORS = (0, 3, 8, 40, 200)
_WARMUP_SECONDS = 3.0
_TIMEOUT_SECONDS = 10.0
_CHECK_REQUESTS = 24

_LEARNED = (
    "gounicorn",
    "gounicorn-4t",
    "gunicorn",
    "gthread-4t",
    "granian",
    "granian-4t",
    "uwsgi",
    "caddysnake",
    "nginx",
)
# Peers learn nothing, so a never-asked address is to them like any other; two of them are measured all the same.
_NEW = ("gounicorn", "gounicorn-4t", "granian", "granian-4t")
# Rows that answer one question each: threads on demand for what waits, CPU priority, and uWSGI without keep-alive, which
# does not tie its workers to visitors.
_EXTRA = {
    ("idle", 0): ("gounicorn-mt", "gounicorn-nice0", "uwsgi-close"),
    ("wait", 8): ("uwsgi-close",),
    ("wait", 40): ("gounicorn-mt", "uwsgi-close"),
    ("wait", 200): ("gounicorn-mt",),
    ("pdf", 8): ("gounicorn-nice0", "uwsgi-close"),
    ("pdf", 40): ("gounicorn-nice0", "uwsgi-close"),
}


class Mixed:
    """Mixed asks for the home page at a fixed rate beside a number of slow visitors."""

    name = "mixed"
    plots = ("mixed-home", "mixed-slow")
    needs_site = True
    needs_wrk = False

    def cells(self, options: Options) -> list[Cell]:
        seconds = options.seconds or (2.0 if options.quick else 7.0)
        warmup = 1.0 if options.quick else _WARMUP_SECONDS
        visitors = options.visitors or ((0, 8) if options.quick else _VISITORS)
        workers = options.workers or _WORKERS
        loads = [("idle", "learned", 0)] if 0 in visitors else []
        loads += [(kind, route, number) for kind in options.slow for route in options.routes for number in visitors if number]
        return [
            self._cell(key, load, (warmup, seconds), workers, options, number)
            for number in range(1, (options.rounds or 1) + 1)
            for load in loads
            for key in options.chosen(_rows(*load))
        ]

    def _cell(
        self,
        key: str,
        load: tuple[str, str, int],
        times: tuple[float, float],
        workers: int,
        options: Options,
        number: int,
    ) -> Cell:
        warmup, seconds = times
        kind, route, visitors = load

        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            arguments = ["mixed", f"-rate={options.rate}", f"-measure={seconds}s", f"-warmup={warmup}s"]
            arguments += [f"-timeout={_TIMEOUT_SECONDS}s", f"-visitors={visitors}"]
            if options.home_keep_alive:
                arguments.append("-keep-alive")
            with runner.serve(SERVERS[key], runner.site(workers)) as running:
                page_cpu = check(running, kind, route, options.home)
                arguments.append(f"-url=http://{running.address}{options.home}")
                if visitors:
                    arguments.append(f"-slow-url=http://{running.address}{SLOW[kind].path(route)}")
                before = running.group.cpu_seconds()
                limit = warmup + seconds + _TIMEOUT_SECONDS + 20
                figures = runner.load(arguments, limit=limit, tick=lambda _: progress.detail(""))
                cpu = running.group.cpu_seconds() - before
            record = {"load": kind, "route": route, "visitors": visitors, "slots": SERVERS[key].slots(workers)}
            record |= {"cpu_seconds": cpu, **figures, "rate": options.rate, "home_cpu_ms": page_cpu * 1000}
            return record, _brief(record)

        what = f"{kind} {route} {visitors}" if visitors else "idle"
        label = f"mixed {what} {key} round {number}"
        # What busy peers take to answer the last questions, or to let them time out.
        drain = 0.5 if visitors < workers or SERVERS[key].ours else 6.0
        return Cell(self.name, key, label, seconds + warmup + drain + START_STOP_SECONDS, run)

    def table(self, records: Sequence[Record]) -> str:
        costs = [record["home_cpu_ms"] for record in records if "home_cpu_ms" in record]
        load = ""
        if costs:
            cost, rate = statistics.median(costs), next(record["rate"] for record in records if "rate" in record)
            load = (
                f" One home page costs {cost:.1f} ms of CPU, so {rate:g} a second keep {cost * rate / 1000:.2f} of the "
                f"{len(os.sched_getaffinity(0))} CPUs busy by themselves."
            )
        parts = [
            f"### mixed: the home page beside slow visitors, {_WORKERS} workers\n\n"
            "The home page is asked for at a fixed rate (open loop, latency counted from the moment each question was due, "
            f"given up after {_TIMEOUT_SECONDS:.0f} s); each slow visitor asks again as soon as it is answered. *It : idle* "
            "divides the three latencies by the same server's own with nobody else there. *Home/s* is home pages answered "
            "a second: a server that lets the home page starve has more CPU left for PDFs. *It : best peer* compares slow "
            "answers a second with the best peer of as many Python slots, learned and never-seen addresses together. *Wait* "
            "is that of slow visitors, counting those that still wait at the end. Medians of the rounds; a line of the plot "
            f"ends where no home page was answered.{load}"
        ]
        idle = {key: measured(group) for key, group in by_server(_of(records, "idle", "learned", 0)).items()}
        loads = {(_label(record, 1), _label(record, 2), int(_label(record, 3))) for record in records}
        for kind, route, visitors in sorted(loads, key=_order):
            groups = by_server(_of(records, kind, route, visitors))
            title = f"{visitors} visitors {SLOW[kind].title}, {ROUTES[route]}" if visitors else "nobody else"
            rows = []
            for size in sorted({_size(key) for key in groups}):
                mine = {key: group for key, group in groups.items() if _size(key) == size}
                # Peers learn nothing: what they do with one address they would do with any.
                peers = [*mine.items(), *by_server(_of(records, kind, "learned", visitors)).items()]
                best = max(
                    (_slow_rate(group) for key, group in peers if _size(key) == size and not SERVERS[key].ours), default=0.0
                )
                rows += [_row(key, group, idle.get(key, []), best) for key, group in mine.items()]
            parts.append(f"**{title}**\n\n" + markdown(_HEAD, rows))
        return "\n\n".join(parts)


_HEAD = ["server", "slots", "home p50 / p99 / max ms", "it : idle", "home/s", "failed"]
_HEAD += ["slow/s", "it : best peer", "wait mean / max s", "max : mean", "slow failed"]


def _rows(kind: str, route: str, visitors: int) -> tuple[str, ...]:
    if route == "new":
        return _NEW
    return _LEARNED + _EXTRA.get((kind, visitors), ())


def _size(key: str) -> int:
    """Servers are compared within 1 thread a worker, 4, and as many as it takes."""
    threads = SERVERS[key].threads
    return threads if threads <= 4 else 5


def _slow_rate(group: Sequence[Record]) -> float:
    good = measured(group)
    return median(good, "slow", "per_second") if good else 0.0


def _label(record: Record, part: int) -> str:
    """A part of the load that the record's label names; a record without figures has nothing else."""
    words = record["label"].split()
    return ("mixed", "idle", "learned", "0")[part] if words[1] == "idle" else words[part]


def _of(records: Sequence[Record], kind: str, route: str, visitors: int) -> list[Record]:
    wanted = (kind, route, str(visitors))
    return [record for record in records if (_label(record, 1), _label(record, 2), _label(record, 3)) == wanted]


def _order(load: tuple[str, str, int]) -> tuple[int, int, int]:
    kind, route, visitors = load
    return ["idle", *SLOW].index(kind), list(ROUTES).index(route), visitors


def check(running: Running, kind: str, route: str, home: str) -> float:
    """Make sure that the pages are what they should be; return the CPU seconds that one home page takes."""
    if running.get(home).status != 200:
        raise CellError(f"{running.server.label}: {home} does not answer 200")
    running.fetch(home, _CHECK_REQUESTS, clients=8)  # the first answers of each worker cost more than the rest
    before = running.group.cpu_seconds()
    running.fetch(home, _CHECK_REQUESTS, clients=1)
    page_cpu = (running.group.cpu_seconds() - before) / _CHECK_REQUESTS
    if kind in SLOW:
        path = SLOW[kind].path(route).replace("{}", uuid.uuid4().hex)
        answer = running.get(path)
        if answer.status != 200 or not answer.body.startswith(SLOW[kind].magic):
            raise CellError(f"{running.server.label}: {path} answered {answer.status} {answer.body[:40]!r}")
    return page_cpu


def _brief(record: Record) -> str:
    home, slow = record["home"], record["slow"]
    failed = sum(home["errors"].values())
    text = f"home p50 {home['p50_ms']:,.1f} p99 {home['p99_ms']:,.1f} ms"
    if failed:
        text += f", failed {failed} of {home['due']} ({reasons(home['errors'])})"
    if record["visitors"]:
        text += f"; slow {slow['per_second']:.2f}/s, slowest {slow['max_ms'] / 1000:.1f} s, mean {slow['mean_ms'] / 1000:.1f} s"
    return text


def _row(key: str, group: Sequence[Record], idle: Sequence[Record], best: float) -> list[str]:
    label = SERVERS[key].label
    good = measured(group)
    if not good:
        return [label, "", without_figures(group), *[""] * 8]
    answered = [record for record in good if record["home"]["answered"]]
    latencies, ratios = "–", "–"
    names = ("p50_ms", "p99_ms", "max_ms")
    if answered:
        values = [median(answered, "home", name) for name in names]
        latencies = " / ".join(f"{value:,.1f}" for value in values)
        if idle and answered[0]["visitors"]:
            own = [median(idle, "home", name) for name in names]
            ratios = " / ".join(_times(value / base) for value, base in zip(values, own, strict=True))
    if len(answered) > 1:
        low, high = spread(answered, "home", "p99_ms")
        latencies += f" (p99 {low:,.1f}–{high:,.1f})"
    failed = sum(sum(record["home"]["errors"].values()) for record in good)
    share = f"{failed / sum(record['home']['due'] for record in good):.0%}" if failed else "0"
    row = [label, str(good[0]["slots"]), latencies, ratios, f"{median(good, 'home', 'goodput'):.1f}", share]
    if not good[0]["visitors"]:
        return [*row, *[""] * 5]
    slow, mean, longest = (median(good, "slow", name) for name in ("per_second", "mean_ms", "max_ms"))
    return [
        *row,
        f"{slow:.2f}",
        f"{slow / best:.2f}" if best else "",
        f"{mean / 1000:.1f} / {longest / 1000:.1f}",
        f"{longest / mean:.1f}" if mean else "–",
        str(sum(sum(record["slow"]["errors"].values()) for record in good)),
    ]


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 20 else f"{ratio:,.0f}"
