"""Scenario memory: what preloaded Django workers cost, and what one more of them costs beyond Python's own share."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

from .environment import APPS
from .procs import Stat, private_kb, pss_kb
from .progress import Progress
from .runner import Runner
from .scenario import START_STOP_SECONDS, Cell, Options, Record, by_server, markdown, measured, without_figures
from .servers import SERVERS

_WORKERS = 8
_REQUESTS_PER_WORKER = 100
_PYTHON = "python"  # the record of a bare forked child, beside those of servers


class Memory:
    """Memory sums proportional set sizes over a server's whole tree, at rest and after some pages."""

    name = "memory"
    default_servers = ("gounicorn", "gounicorn-4t", "gunicorn", "uwsgi-close")
    plots = ("memory",)
    needs_site = True
    needs_wrk = False

    def cells(self, options: Options) -> list[Cell]:
        workers = options.workers or _WORKERS
        bare = Cell(self.name, _PYTHON, "memory of a bare Python child", 5.0, _bare)
        return [bare, *(self._cell(key, workers) for key in options.chosen(self.default_servers))]

    def _cell(self, key: str, workers: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            with runner.serve(SERVERS[key], runner.site(workers, preload=True)) as running:
                at_rest = _sizes(running.group.members(), running.group.deepest())
                progress.detail("asking for pages")
                done = workers * _REQUESTS_PER_WORKER
                running.fetch("/", done, clients=workers * 3)
                running.group.settle(10.0)
                after = _sizes(running.group.members(), running.group.deepest())
            record = {"workers": workers, "at_rest": at_rest, "after_requests": after, "requests": done}
            brief = f"PSS {at_rest['pss_kb'] / 1024:.0f} MB, after {done} pages {after['pss_kb'] / 1024:.0f} MB"
            return record, brief

        return Cell(self.name, key, f"memory {key}", START_STOP_SECONDS + 6.0, run)

    def table(self, records: Sequence[Record]) -> str:
        rows = []
        for key, group in by_server(records).items():
            if key == _PYTHON:
                continue
            label = SERVERS[key].label
            if not measured(group):
                rows.append([label, without_figures(group), *[""] * 5])
                continue
            record = group[0]
            rest, after = record["at_rest"], record["after_requests"]
            rows.append(
                [
                    label,
                    str(rest["processes"]),
                    _mb(rest["pss_kb"]),
                    _mb(after["pss_kb"]),
                    _mb(rest["worker_private_kb"]),
                    _mb(after["worker_private_kb"]),
                    str(record["requests"]),
                ]
            )
        text = (
            f"### memory: {_WORKERS} Django workers with --preload\n\n"
            "Megabytes. PSS: proportional set size summed over all processes of the server; private: pages that nobody "
            "else maps, the median worker."
        )
        for record in measured(records):
            if record["server"] == _PYTHON:
                text += (
                    " A bare forked Python child of the same site, without any server, has "
                    f"{_mb(record['at_rest_kb'])} private at rest and {_mb(record['after_requests_kb'])} after "
                    f"{record['requests']} pages."
                )
        head = ["server", "processes", "PSS at rest", "PSS after pages", "private at rest", "private after pages", "pages"]
        return f"{text}\n\n" + markdown(head, rows)


def _sizes(members: Sequence[Stat], workers: Sequence[Stat]) -> Record:
    return {
        "processes": len(members),
        "pss_kb": pss_kb(each.pid for each in members),
        "private_kb": private_kb(each.pid for each in members),
        "workers": len(workers),
        "worker_private_kb": statistics.median(private_kb([each.pid]) for each in workers),
    }


def _bare(runner: Runner, progress: Progress) -> tuple[Record, str]:
    environment = runner.environment
    script = str(APPS / "private.py")
    command = [str(environment.python), script, "contracts.wsgi:application", "/", str(_REQUESTS_PER_WORKER)]
    record: Record = json.loads(runner.program(command, cwd=environment.site, limit=60))
    return (
        record,
        f"private {_mb(record['at_rest_kb'])} MB, after {record['requests']} pages {_mb(record['after_requests_kb'])} MB",
    )


def _mb(kilobytes: float) -> str:
    return f"{kilobytes / 1024:.1f}"
