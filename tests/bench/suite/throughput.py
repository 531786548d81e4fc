"""Scenarios hello and django: requests a second and CPU time per request, servers interleaved round by round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .progress import Progress
from .runner import CellError, Runner
from .scenario import START_STOP_SECONDS, Cell, Options, Record, by_server, markdown
from .servers import SERVERS, Launch

_HELLO = b"Hello, World!\n"
_WARMUP_SECONDS = 1
_SERVED_SECONDS = 2.0  # enough for every connection to get one answer


@dataclass(frozen=True)
class Throughput:
    """Throughput is both scenarios; they differ in the application and the load."""

    name: str
    title: str
    workers: int
    connections: int
    seconds: float
    site: bool
    default_servers: tuple[str, ...]
    needs_wrk: bool = True
    rounds: int = 5

    @property
    def needs_site(self) -> bool:
        return self.site

    def cells(self, options: Options) -> list[Cell]:
        rounds = options.rounds or (2 if options.quick else self.rounds)
        seconds = options.seconds or (2.0 if options.quick else self.seconds)
        workers = options.workers or self.workers
        return [
            self._cell(key, number, rounds, seconds, workers)
            for number in range(1, rounds + 1)
            for key in options.chosen(self.default_servers)
        ]

    def _cell(self, key: str, number: int, rounds: int, seconds: float, workers: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            launch = runner.site(workers) if self.site else runner.hello(workers)
            record = self._measure(runner, progress, key, launch, seconds)
            brief = f"{record['rps']:,.0f} requests/s, {record['cpu_us']:.0f} µs CPU each, p99 {record['p99_ms']:.1f} ms"
            if record["errors"]:
                brief += f", {record['errors']} errors"
            return record, brief

        label = f"{self.name} {key} round {number}/{rounds}"
        return Cell(self.name, key, label, seconds + _WARMUP_SECONDS + START_STOP_SECONDS, run)

    def _measure(self, runner: Runner, progress: Progress, key: str, launch: Launch, seconds: float) -> Record:
        server = SERVERS[key]
        with runner.serve(server, launch) as running:
            answer = running.get("/")
            if answer.status != 200 or (not self.site and answer.body != _HELLO) or not answer.body:
                raise CellError(f"{server.label} answered {answer.status} {answer.body[:80]!r}")
            keeps = running.keeps_connections("/")
            served = running.connections_served("/", self.connections, _SERVED_SECONDS)
            url = f"http://{running.address}/"
            progress.detail("warming up")
            runner.wrk(url, connections=self.connections, seconds=_WARMUP_SECONDS)
            progress.detail("measuring")
            before = running.group.cpu_seconds()
            figures = runner.wrk(url, connections=self.connections, seconds=seconds)
            cpu = running.group.cpu_seconds() - before
        requests = int(figures["requests"])
        if requests == 0:
            raise CellError(f"{server.label} answered nothing:\n{running.log_tail()}")
        # Without keep-alive the end of each connection is what wrk counts as a read error; it is no failure.
        read_errors = figures["read"] if keeps else max(0, figures["read"] - requests)
        return {
            "slots": server.slots(launch.workers),
            "rps": requests / figures["seconds"],
            "requests": requests,
            "cpu_us": cpu / requests * 1e6,
            "p50_ms": figures["p50_ms"],
            "p99_ms": figures["p99_ms"],
            "max_ms": figures["max_ms"],
            "keep_alive": keeps,
            "connections_served": served,
            "errors": int(figures["not_2xx"] + figures["connect"] + read_errors + figures["write"] + figures["timeout"]),
            "wrk": figures,
        }

    def table(self, records: Sequence[Record]) -> str:
        rows = []
        groups = by_server(records)
        ours = [record["rps"] for record in groups.get("gounicorn", ()) if "error" not in record]
        for key, group in groups.items():
            good = [record for record in group if "error" not in record]
            if not good:
                rows.append([SERVERS[key].label, "failed", *[""] * 9])
                continue
            rates = [record["rps"] for record in good]
            rows.append(
                [
                    SERVERS[key].label,
                    f"{statistics.median(rates):,.0f}",
                    f"{min(rates):,.0f}–{max(rates):,.0f}",
                    f"{statistics.median(ours) / statistics.median(rates):.2f}" if ours else "",
                    f"{statistics.median(record['cpu_us'] for record in good):,.0f}",
                    f"{statistics.median(record['p50_ms'] for record in good):.2f}",
                    f"{statistics.median(record['p99_ms'] for record in good):.2f}",
                    str(sum(record["errors"] for record in good)),
                    "yes" if good[0]["keep_alive"] else "no",
                    f"{min(record['connections_served'] for record in good)} of {self.connections}",
                    str(good[0]["slots"]),
                ]
            )
        head = ["server", "requests/s", "spread", "gounicorn : it", "CPU µs/request", "p50 ms", "p99 ms"]
        head += ["errors", "keep-alive", "served", "slots"]
        text = (
            f"### {self.name}: {self.title}\n\n"
            f"wrk, 1 thread, {self.connections} connections. Requests/s and the other figures are medians of the rounds, "
            "the spread is the lowest and the highest round; CPU is user + system of the server's whole process tree. "
            "Served: how many of so many clients that keep their connection open get an answer; what the others would "
            "wait for is missing from the latencies of a server that does not serve all.\n\n"
        )
        return text + markdown(head, rows)


HELLO = Throughput(
    name="hello",
    title="a 14-byte answer, 2 workers",
    workers=2,
    connections=64,
    seconds=5.0,
    site=False,
    default_servers=("gounicorn", "gunicorn", "gthread", "granian", "uwsgi", "uwsgi-close", "nginx"),
)
DJANGO = Throughput(
    name="django",
    title="the demo site's home page (templates and ORM), 4 workers",
    workers=4,
    connections=16,
    seconds=6.0,
    site=True,
    default_servers=("gounicorn", "gunicorn", "gthread", "granian", "uwsgi", "uwsgi-close", "nginx"),
)
