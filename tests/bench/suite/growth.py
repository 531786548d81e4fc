"""Scenario growth: how requests a second, latency, memory and CPU follow the number of connections and of workers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .procs import Group, pss_kb
from .progress import Progress
from .runner import Runner, Running
from .scenario import (
    START_STOP_SECONDS,
    Cell,
    Options,
    Record,
    by_server,
    markdown,
    measured,
    median,
    without_figures,
)
from .servers import SERVERS
from .throughput import brief, load

_CONNECTIONS = (1, 4, 16, 64, 256, 1024)
_WORKERS = (1, 2, 4, 8, 16)
_BASE_WORKERS = 2
_BASE_CONNECTIONS = 64
_HELD = 1000
_IDLE_SECONDS = 2.0


class Growth:
    """Growth is hello again, from 1 to 1,024 connections and from 1 to 16 workers."""

    name = "growth"
    plots = ("growth",)
    needs_site = False
    needs_wrk = True
    default_servers = ("gounicorn", "granian", "uwsgi")

    def cells(self, options: Options) -> list[Cell]:
        seconds = options.seconds or (1.0 if options.quick else 2.0)
        servers = options.chosen(self.default_servers)
        cells = []
        for number in range(1, (options.rounds or 1) + 1):
            cells += [self._connections(key, seconds, options.workers or _BASE_WORKERS, number) for key in servers]
            counts = (1, 16) if options.quick else _WORKERS
            cells += [self._workers(key, seconds, workers, number) for workers in counts for key in servers]
        return cells

    def _connections(self, key: str, seconds: float, workers: int, number: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            points = []
            with runner.serve(SERVERS[key], runner.hello(workers)) as running:
                keeps = running.keeps_connections("/")
                held = _hold(running)
                load(runner, running, "/", _BASE_CONNECTIONS, 1, keeps=keeps)  # warm
                for connections in _CONNECTIONS:
                    progress.detail(f"{connections} connections")
                    figures = load(runner, running, "/", connections, seconds, keeps=keeps)
                    points.append({"connections": connections, **figures})
            text = ", ".join(f"{point['connections']}: {point['rps']:,.0f}/s" for point in points)
            return {"workers": workers, "points": points, "held": held}, text

        estimate = START_STOP_SECONDS + len(_CONNECTIONS) * (seconds + 0.2) + _IDLE_SECONDS + 5
        return Cell(self.name, key, f"growth connections {key} round {number}", estimate, run)

    def _workers(self, key: str, seconds: float, workers: int, number: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            with runner.serve(SERVERS[key], runner.hello(workers)) as running:
                keeps = running.keeps_connections("/")
                load(runner, running, "/", _BASE_CONNECTIONS, 1, keeps=keeps)  # warm
                figures = load(runner, running, "/", _BASE_CONNECTIONS, seconds, keeps=keeps)
            return {"workers": workers, **figures}, brief(figures)

        return Cell(self.name, key, f"growth workers {workers} {key} round {number}", START_STOP_SECONDS + seconds + 1, run)

    def table(self, records: Sequence[Record]) -> str:
        parts = [
            "### growth: more connections, more workers\n\n"
            "The hello application under wrk. Each cell is requests/s, and behind the slash the p99 in ms. uWSGI serves as "
            "many kept connections at a time as it has workers, so its latencies are those of the few."
        ]
        connections = by_server([record for record in records if record["label"].split()[1] == "connections"])
        rows, cost = [], []
        for key, group in connections.items():
            label, good = SERVERS[key].label, measured(group)
            if not good:
                rows.append([label, without_figures(group), *[""] * (len(_CONNECTIONS) - 1)])
                continue
            points = [[record["points"][i] for record in good] for i in range(len(_CONNECTIONS))]
            rows.append([label, *(_pair(each) for each in points)])
            cost.append([label, *_cost(good, points[3])])
        if rows:
            head = ["server", *(f"{number:,}" for number in _CONNECTIONS)]
            parts.append(f"**Connections, {_BASE_WORKERS} workers**\n\n" + markdown(head, rows))
        workers = [record for record in records if record["label"].split()[1] == "workers"]
        rows = []
        for key, group in by_server(workers).items():
            row = []
            for number in _WORKERS:
                mine = [record for record in group if record["label"].split()[2] == str(number)]
                row.append(_pair(measured(mine)) if measured(mine) else without_figures(mine) if mine else "")
            rows.append([SERVERS[key].label, *row])
        if rows:
            head = ["server", *(str(number) for number in _WORKERS)]
            parts.append(f"**Workers, {_BASE_CONNECTIONS} connections**\n\n" + markdown(head, rows))
        if cost:
            head = ["server", "idle connections answered", "KB a connection", "of it the first process", "CPU % idle"]
            head += ["CPU µs/request, all", "of it the first process"]
            parts.append(
                f"**What a connection costs**: {_HELD:,} clients ask once and keep their connection; memory (PSS) against "
                "before, CPU while they are silent, and CPU per request at 64 connections. The first process is "
                "gounicorn's master, which holds the connections; granian's and uWSGI's workers hold theirs.\n\n"
                + markdown(head, cost)
            )
        return "\n\n".join(parts)


def _pair(points: Sequence[Record]) -> str:
    errors = sum(point["errors"] for point in points)
    text = f"{median(points, 'rps'):,.0f} / {median(points, 'p99_ms'):.1f}"
    return text + (f" ({errors} errors)" if errors else "")


def _cost(good: Sequence[Record], loaded: Sequence[Record]) -> list[str]:
    held = [record["held"] for record in good]
    served = min(each["served"] for each in held)
    memory = ["–"] * 2
    if served == _HELD:
        memory = [f"{median(held, name) / _HELD:.1f}" for name in ("pss_kb", "root_pss_kb")]
    cpu = [f"{median(held, 'idle_cpu') * 100:.1f}", f"{median(loaded, 'cpu_us'):.1f}", f"{median(loaded, 'master_cpu_us'):.1f}"]
    return [f"{served:,} of {_HELD:,}", *memory, *cpu]


def _hold(running: Running) -> Record:
    """What a thousand silent connections cost: kilobytes of the tree and of the first process, share of a CPU."""
    before, root_before = _pss(running.group)
    with running.held("/", _HELD, 5.0) as served:
        running.group.settle(3.0)
        after, root_after = _pss(running.group)
        cpu = running.group.cpu_seconds()
        time.sleep(_IDLE_SECONDS)
        cpu = running.group.cpu_seconds() - cpu
    return {
        "served": served,
        "pss_kb": after - before,
        "root_pss_kb": root_after - root_before,
        "idle_cpu": cpu / _IDLE_SECONDS,
    }


def _pss(group: Group) -> tuple[int, int]:
    return pss_kb(each.pid for each in group.members()), pss_kb([group.roots[0].pid])
