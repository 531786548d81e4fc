"""Scenario mixed: is the home page fast while others make PDFs, or wait for something slow?"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence

from .progress import Progress
from .runner import CellError, Runner, Running
from .scenario import START_STOP_SECONDS, Cell, Options, Record, by_server, markdown, reasons
from .servers import SERVERS

SLOW = {
    "pdf": ("/contract/1/download", b"%PDF", "render a PDF (CPU)"),
    "wait": ("/contract/1/scan", b"", "wait 2 s (no CPU)"),
}
_WORKERS = 4
_VISITORS = (0, 3, 8, 40)
_WARMUP_SECONDS = 4.0
_TIMEOUT_SECONDS = 20.0
_CHECK_REQUESTS = 24


class Mixed:
    """Mixed asks for the home page at a fixed rate beside a number of slow visitors."""

    name = "mixed"
    default_servers = (
        "gounicorn",
        "gunicorn",
        "gthread-4t",
        "granian",
        "granian-4t",
        "uwsgi",
        "uwsgi-close",
        "nginx",
    )
    needs_site = True
    needs_wrk = False

    def cells(self, options: Options) -> list[Cell]:
        seconds = options.seconds or (5.0 if options.quick else 12.0)
        warmup = 2.0 if options.quick else _WARMUP_SECONDS
        visitors = options.visitors or ((0, 8) if options.quick else _VISITORS)
        workers = options.workers or _WORKERS
        loads = [("idle", 0)] if 0 in visitors else []
        loads += [(kind, number) for kind in options.slow for number in visitors if number > 0]
        return [
            self._cell(key, kind, number, (warmup, seconds), workers, options)
            for kind, number in loads
            for key in options.chosen(self.default_servers)
        ]

    def _cell(self, key: str, kind: str, visitors: int, times: tuple[float, float], workers: int, options: Options) -> Cell:
        warmup, seconds = times

        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            arguments = ["mixed", f"-rate={options.rate}", f"-measure={seconds}s", f"-warmup={warmup}s"]
            arguments += [f"-timeout={_TIMEOUT_SECONDS}s", f"-visitors={visitors}"]
            if options.home_keep_alive:
                arguments.append("-keep-alive")
            with runner.serve(SERVERS[key], runner.site(workers)) as running:
                page_cpu = _check(running, kind, options.home)
                arguments.append(f"-url=http://{running.address}{options.home}")
                if visitors:
                    arguments.append(f"-slow-url=http://{running.address}{SLOW[kind][0]}")
                before = running.group.cpu_seconds()
                limit = warmup + seconds + _TIMEOUT_SECONDS + 20
                figures = runner.load(arguments, limit=limit, tick=lambda _: progress.detail(""))
                cpu = running.group.cpu_seconds() - before
            slots = SERVERS[key].slots(workers)
            record = {"load": kind, "visitors": visitors, "slots": slots, "cpu_seconds": cpu, **figures}
            record |= {"rate": options.rate, "home_cpu_ms": page_cpu * 1000}
            return record, _brief(record)

        label = f"mixed {kind} {visitors} {key}" if visitors else f"mixed idle {key}"
        drain = 1.0 if visitors < workers else 7.0  # what a busy peer takes to answer the last questions
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
            "### mixed: the home page beside slow visitors, 4 workers\n\n"
            "The home page is asked for at a fixed rate (open loop, latency counted from the moment each question was due); "
            "each slow visitor asks again as soon as it is answered. The slowest visitor includes those still waiting at "
            f"the end. Times in ms unless said otherwise.{load}"
        ]
        loads: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            loads.setdefault((record.get("load", "idle"), record.get("visitors", 0)), []).append(record)
        for (kind, visitors), group in loads.items():
            title = f"{visitors} visitors {SLOW[kind][2]}" if visitors else "nobody else"
            rows = [_row(key, mine[0]) for key, mine in by_server(group).items()]
            head = ["server", "slots", "home p50", "p90", "p99", "max", "failed", "slow answers/s", "slowest s", "slow failed"]
            parts.append(f"**{title}**\n\n" + markdown(head, rows))
        return "\n\n".join(parts)


def _check(running: Running, kind: str, home: str) -> float:
    """Make sure that the pages are what they should be; return the CPU seconds that one home page takes."""
    if running.get(home).status != 200:
        raise CellError(f"{running.server.label}: {home} does not answer 200")
    running.fetch(home, _CHECK_REQUESTS, clients=8)  # the first answers of each worker cost more than the rest
    before = running.group.cpu_seconds()
    running.fetch(home, _CHECK_REQUESTS, clients=1)
    page_cpu = (running.group.cpu_seconds() - before) / _CHECK_REQUESTS
    if kind in SLOW:
        path, magic, _ = SLOW[kind]
        answer = running.get(path)
        if answer.status != 200 or not answer.body.startswith(magic):
            raise CellError(f"{running.server.label}: {path} answered {answer.status} {answer.body[:40]!r}")
    return page_cpu


def _brief(record: Record) -> str:
    home, slow = record["home"], record["slow"]
    failed = sum(home["errors"].values())
    text = f"home p50 {home['p50_ms']:,.1f} p99 {home['p99_ms']:,.1f} ms"
    if failed:
        text += f", failed {failed} of {home['due']} ({reasons(home['errors'])})"
    if record["visitors"]:
        text += f"; slow {slow['per_second']:.2f}/s, slowest {slow['max_ms'] / 1000:.1f} s"
    return text


def _row(key: str, record: Record) -> list[str]:
    label = SERVERS[key].label
    if "error" in record:
        return [label, "", "no figures", *[""] * 7]
    home, slow = record["home"], record["slow"]
    failed = sum(home["errors"].values())
    latencies = [f"{home[name]:,.1f}" if home["answered"] else "–" for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")]
    slow_part = ["", "", ""]
    if record["visitors"]:
        slow_part = [
            f"{slow['per_second']:.2f}",
            f"{slow['max_ms'] / 1000:.1f}",
            str(sum(slow["errors"].values())),
        ]
    share = f"{failed / home['due']:.0%}" if failed else "0"
    return [label, str(record["slots"]), *latencies, share, *slow_part]
