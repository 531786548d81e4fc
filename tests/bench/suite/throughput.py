"""Scenarios hello and views: requests a second and CPU time per request, servers interleaved round by round."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .procs import Group
from .progress import Progress
from .runner import Answer, CellError, Runner, Running
from .scenario import (
    START_STOP_SECONDS,
    Cell,
    Options,
    Record,
    by_server,
    markdown,
    measured,
    median,
    spread,
    without_figures,
)
from .servers import SERVERS, Launch

_HELLO = b"Hello, World!\n"
_WARMUP_SECONDS = 1
_SERVED_SECONDS = 2.0  # enough for every connection to get one answer
_SERVERS = (
    "gounicorn",
    "gunicorn",
    "gthread",
    "granian",
    "uwsgi",
    "uwsgi-http",
    "bjoern",
    "fastwsgi",
    "mod_wsgi",
    "caddysnake",
    "nginx",
)
# Where loading the application before the fork tells, a row that does so stands beside uWSGI, which always does; and one of uWSGI
# that ends connections when it is asked to.
_SITE_SERVERS = ("gounicorn", "gounicorn-preload", *_SERVERS[1:], "uwsgi-close")


class Hello:
    """Hello is the application that costs nothing."""

    name = "hello"
    plots = ("hello",)
    needs_site = False
    needs_wrk = True
    workers = 2
    connections = 64
    seconds = 4.0
    rounds = 3

    def cells(self, options: Options) -> list[Cell]:
        rounds = options.rounds or (1 if options.quick else self.rounds)
        seconds = options.seconds or (1.0 if options.quick else self.seconds)
        workers = options.workers or self.workers
        return [self._cell(key, number, seconds, workers) for number in range(1, rounds + 1) for key in options.chosen(_SERVERS)]

    def _cell(self, key: str, number: int, seconds: float, workers: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            server = SERVERS[key]
            with runner.serve(server, runner.hello(workers)) as running:
                answer = running.get("/")
                if answer.status != 200 or answer.body != _HELLO:
                    raise CellError(f"{server.label} answered {answer.status} {answer.body[:80]!r}")
                keeps = running.keeps_connections("/")
                served = running.connections_served("/", self.connections, _SERVED_SECONDS)
                url = f"http://{running.address}/"
                progress.detail("warming up")
                runner.wrk(url, connections=self.connections, seconds=_WARMUP_SECONDS)
                progress.detail("measuring")
                figures = load(runner, running, "/", self.connections, seconds, keeps=keeps)
            record = {"slots": server.slots(workers), "keep_alive": keeps, "connections_served": served, **figures}
            return record, brief(record)

        estimate = seconds + _WARMUP_SECONDS + 1 + START_STOP_SECONDS
        return Cell(self.name, key, f"hello {key} round {number}", estimate, run)

    def table(self, records: Sequence[Record]) -> str:
        groups = by_server(records)
        ours = measured(groups.get("gounicorn", ()))
        rows = []
        for key, group in groups.items():
            good = measured(group)
            if not good:
                rows.append([SERVERS[key].label, without_figures(group), *[""] * 9])
                continue
            ratio = f"{median(ours, 'rps') / median(good, 'rps'):.2f}" if ours else ""
            rows.append(
                [
                    SERVERS[key].label,
                    *_figures(good),
                    ratio,
                    "yes" if good[0]["keep_alive"] else "no",
                    f"{min(record['connections_served'] for record in good)} of {self.connections}",
                    str(good[0]["slots"]),
                ]
            )
        head = ["server", *_HEAD, "gounicorn : it", "keep-alive", "served", "slots"]
        text = (
            f"### hello: a 14-byte answer, {self.workers} workers\n\n"
            f"wrk, 1 thread, {self.connections} connections. {_METHOD} "
            "Served: how many of so many clients that keep their connection open get an answer; what the others would "
            "wait for is missing from the latencies of a server that does not serve all.\n\n"
        )
        return text + markdown(head, rows)


class NotComparableError(Exception):
    """The server does something else than what is measured; the message says what."""


@dataclass(frozen=True)
class View:
    """View is one kind of request to the demo site, and what its answer must be."""

    name: str
    title: str
    path: str
    right: Callable[[Answer], bool]
    body: int = 0  # bytes of a POST; 0 is GET
    close: bool = False
    connections: int = 16


def _digest_of(length: int) -> Callable[[Answer], bool]:
    want = {"bytes": length, "crc32": zlib.crc32(b"x" * length)}
    return lambda answer: bool(json.loads(answer.body) == want)


_POST, _UPLOAD = 10_000, 10_000_000

VIEWS = (
    View("page", "Django page (templates and ORM)", "/", lambda answer: answer.body.rstrip().endswith(b"</html>")),
    View(
        "json",
        "JSON view (50 rows by ORM)",
        "/api/contracts.json",
        lambda answer: len(json.loads(answer.body)["contracts"]) == 50,
    ),
    View("megabyte", "1 MiB response", "/megabyte", lambda answer: answer.body == bytes(range(256)) * 4096),
    View("post", "10 KB POST", "/digest", _digest_of(_POST), body=_POST),
    View("upload", "10 MB upload", "/digest", _digest_of(_UPLOAD), body=_UPLOAD, connections=8),
    View("close", "`ok` with Connection: close", "/health", lambda answer: answer.body == b"ok\n", close=True),
)


class Views:
    """Views sends each kind of request to each server.

    All servers run at once and only one is asked at a time, so that a kind goes round all of them within a minute: a machine
    whose speed changes by half from one minute to the next would else decide who is faster.
    """

    name = "views"
    plots = ("views",)
    needs_site = True
    needs_wrk = True
    workers = 4
    connections = 16  # most views; of so many that are kept, how many are served is told
    seconds = 2.0
    rounds = 3
    checks = 2

    def cells(self, options: Options) -> list[Cell]:
        rounds = options.rounds or (1 if options.quick else self.rounds)
        seconds = options.seconds or (1.0 if options.quick else self.seconds)
        workers = options.workers or self.workers
        servers = options.chosen(_SITE_SERVERS)
        return [
            self._cell(key, view, number, seconds, workers)
            for number in range(1, rounds + 1)
            for view in VIEWS
            for key in servers
        ]

    def _cell(self, key: str, view: View, number: int, seconds: float, workers: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            server = SERVERS[key]
            running = runner.keep(server, runner.site(workers), begin=self._begin)
            about = running.about | {"view": view.name, "slots": server.slots(workers)}
            try:
                figures = self._measure(runner, running, view, seconds, running.about["keep_alive"])
            except NotComparableError as reason:
                return about | {"missing": str(reason)}, f"not comparable: {reason}"
            running.group.settle(10.0)
            return about | figures, brief(figures)

        estimate = seconds + 1.5 + (START_STOP_SECONDS + 6 if number == 1 and view is VIEWS[0] else 0)
        return Cell(self.name, key, f"views {view.name} {key} round {number}", estimate, run)

    def _begin(self, running: Running, launch: Launch) -> None:
        running.fetch("/", 6 * launch.workers, clients=2 * launch.workers)
        running.about["keep_alive"] = running.keeps_connections("/health")
        running.about["connections_served"] = running.connections_served("/health", self.connections, _SERVED_SECONDS)
        running.group.settle(10.0)

    def _measure(self, runner: Runner, running: Running, view: View, seconds: float, keeps: bool) -> Record:
        content = b"x" * view.body if view.body else None
        for _ in range(self.checks):
            answer = running.get(view.path, body=content)
            if answer.status != 200 or not view.right(answer):
                raise CellError(f"{view.path} answered {answer.status} {answer.body[:60]!r}")
        if view.close and not running.closes_when_asked(view.path):
            raise NotComparableError("it leaves the connection open in spite of Connection: close")
        figures = load(
            runner,
            running,
            view.path,
            view.connections,
            seconds,
            keeps=keeps and not view.close,
            body=view.body,
            close=view.close,
        )
        if figures["wrk"]["bytes"] < len(answer.body) * figures["requests"]:
            raise CellError(f"{view.path}: {figures['wrk']['bytes']:.0f} bytes are too few for {figures['requests']} answers")
        return figures

    def table(self, records: Sequence[Record]) -> str:
        parts = [
            f"### views: kinds of requests to the demo site, {self.workers} workers\n\n"
            f"wrk, 1 thread, 16 connections (8 for the upload). {_METHOD} The first answers are compared byte for byte, or by "
            "length and CRC-32 of what arrived, and the bytes of all answers are counted. Served: how many of 16 clients that "
            "keep their connection get an answer; who ties a worker to each connection serves the first few only, with no "
            "change between them, and the others wait for ever. The best peer is the fastest of those that serve everybody. "
            "All servers run at once, and a kind of request goes to one after the other."
        ]
        for view in VIEWS:
            groups = by_server([record for record in records if record.get("view") == view.name or "error" in record])
            rows = []
            served = {key: min((r["connections_served"] for r in measured(group)), default=0) for key, group in groups.items()}
            peers = [group for key, group in groups.items() if not SERVERS[key].ours and served[key] == self.connections]
            best = max((median(measured(group), "rps") for group in peers), default=0.0)
            for key, group in groups.items():
                good = measured(group)
                if not good:
                    rows.append([SERVERS[key].label, without_figures(group), *[""] * 7])
                    continue
                ratio = f"{median(good, 'rps') / best:.2f}" if best else ""
                rows.append([SERVERS[key].label, *_figures(good), ratio, f"{served[key]} of {self.connections}"])
            parts.append(f"**{view.title}**\n\n" + markdown(["server", *_HEAD, "it : best peer", "served"], rows))
        return "\n\n".join(parts)


_METHOD = (
    "Requests/s and the other figures are medians of the rounds, the spread is the lowest and the highest round; CPU is "
    "user + system of the server's whole process tree."
)
_HEAD = ["requests/s", "spread", "CPU µs/request", "p50 ms", "p99 ms", "errors"]


def _figures(good: Sequence[Record]) -> list[str]:
    low, high = spread(good, "rps")
    digits = 0 if high >= 100 else 1
    return [
        f"{median(good, 'rps'):,.{digits}f}",
        f"{low:,.{digits}f}–{high:,.{digits}f}",
        f"{median(good, 'cpu_us'):,.0f}",
        f"{median(good, 'p50_ms'):.2f}",
        f"{median(good, 'p99_ms'):.2f}",
        str(sum(record["errors"] for record in good)),
    ]


def load(
    runner: Runner,
    running: Running,
    path: str,
    connections: int,
    seconds: float,
    *,
    keeps: bool,
    body: int = 0,
    close: bool = False,
    headers: Sequence[str] = (),
) -> Record:
    """Run wrk against a started server; figures include the CPU time of its whole tree and that of its first process."""
    before, master = running.group.cpu_seconds(), root_cpu(running.group)
    url = running.url + path
    figures = runner.wrk(url, connections=connections, seconds=seconds, body=body, close=close, headers=headers)
    cpu, master = running.group.cpu_seconds() - before, root_cpu(running.group) - master
    requests = int(figures["requests"])
    if requests == 0:
        raise CellError(f"{running.server.label} answered nothing:\n{running.log_tail()}")
    # Without keep-alive the end of each connection is what wrk counts as a read error; it is no failure.
    read_errors = figures["read"] if keeps else max(0, figures["read"] - requests)
    return {
        "rps": requests / figures["seconds"],
        "requests": requests,
        "cpu_us": cpu / requests * 1e6,
        "master_cpu_us": master / requests * 1e6,
        "p50_ms": figures["p50_ms"],
        "p99_ms": figures["p99_ms"],
        "max_ms": figures["max_ms"],
        "errors": int(figures["not_2xx"] + figures["connect"] + read_errors + figures["write"] + figures["timeout"]),
        "wrk": figures,
    }


def root_cpu(group: Group) -> float:
    """CPU time of the server's first process alone: gounicorn's master."""
    pid = group.roots[0].pid
    return next((each.cpu_seconds for each in group.members() if each.pid == pid), 0.0)


def brief(figures: Record) -> str:
    """A throughput measurement in a few words."""
    text = f"{figures['rps']:,.0f} requests/s, {figures['cpu_us']:.0f} µs CPU each, p99 {figures['p99_ms']:.1f} ms"
    return text + (f", {figures['errors']} errors" if figures["errors"] else "")
