"""Scenario files: what a server does at the edge, beside nginx: files, TLS, many silent clients."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .procs import Group, pss_kb
from .progress import Progress
from .runner import CellError, Runner, Running
from .scenario import START_STOP_SECONDS, Cell, Options, Record, by_server, markdown, measured, median, without_figures
from .servers import EDGE_SERVERS, FILES_PREFIX, SERVERS, Edge, Launch
from .throughput import load

WORKERS = 4
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Kind:
    """Kind is one way to ask for a file."""

    name: str
    title: str
    file: str
    connections: int = 64
    status: int = 200
    header: str = ""  # of the request; {etag} is that of the file
    close: bool = False
    streams: int = 0  # of HTTP/2 on each connection; 0 is HTTP/1.1


_SIZES = {"small.css": 1_000, "page.css": 20_000, "large.bin": 100 * _MEGABYTE}
_PLAIN = (
    Kind("small", "1 KB", "small.css"),
    Kind("page", "20 KB", "page.css"),
    Kind("gzip", "20 KB, compressed before", "page.css", header="Accept-Encoding: gzip"),
    Kind("unchanged", "20 KB, not modified", "page.css", status=304, header="If-None-Match: {etag}"),
    Kind("large", "100 MB", "large.bin", connections=4),
)
_SECURE = (
    Kind("small", "1 KB", "small.css"),
    Kind("page", "20 KB", "page.css"),
    Kind("large", "100 MB", "large.bin", connections=4),
    Kind("handshake", "1 KB, a handshake each", "small.css", close=True),
    Kind("http2", "1 KB, HTTP/2", "small.css", connections=16, streams=32),
)


def _make_files(folder: Path) -> Path:
    """Make the files to serve, once; their content cannot be compressed away but for the .gz beside the page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in _SIZES.items():
        path = folder / name
        if not path.exists() or path.stat().st_size != size:
            block = os.urandom(min(size, _MEGABYTE)).hex()[: min(size, _MEGABYTE)].encode()
            path.write_bytes((block * (size // len(block) + 1))[:size])
    packed = folder / "page.css.gz"
    if not packed.exists():
        packed.write_bytes(zlib.compress((folder / "page.css").read_bytes(), 9, wbits=31))
    return folder


def _make_certificate(folder: Path) -> Path:
    """Make a certificate of our own with its key in one file, once."""
    path = folder / "edge.pem"
    if not path.exists():
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
        ]
        command += ["-subj", "/CN=localhost", "-keyout", str(folder / "key.pem"), "-out", str(folder / "crt.pem")]
        subprocess.run(command, check=True, capture_output=True)
        path.write_text((folder / "crt.pem").read_text() + (folder / "key.pem").read_text())
    return path


class Files:
    """Files asks for files, plain and behind TLS, and for the home page beside them."""

    name = "files"
    plots: tuple[str, ...] = ()
    needs_site = True
    needs_wrk = True

    def cells(self, options: Options) -> list[Cell]:
        rounds = options.rounds or (1 if options.quick else 3)
        seconds = options.seconds or (1.0 if options.quick else 2.0)
        servers = options.chosen(EDGE_SERVERS)
        cells = []
        for number in range(1, rounds + 1):
            for scheme, kinds in (("http", _PLAIN), ("https", _SECURE)):
                cells += [self._kind(key, scheme, kind, number, seconds) for kind in kinds for key in servers]
            cells += [self._home(key, number, seconds) for key in servers]
            cells += [self._held(key, number) for key in servers]
        return cells

    def _kind(self, key: str, scheme: str, kind: Kind, number: int, seconds: float) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            running = _keep(runner, key, scheme)
            figures = _ask(runner, running, kind, _make_files(runner.environment.build / "files"), seconds)
            running.group.settle(10.0)
            return {"scheme": scheme, "kind": kind.name} | figures, f"{figures['rps']:,.0f}/s"

        estimate = seconds + 2 + (START_STOP_SECONDS + 3 if number == 1 and kind.name == "small" else 0)
        return Cell(self.name, key, f"files {scheme} {kind.name} {key} round {number}", estimate, run)

    def _home(self, key: str, number: int, seconds: float) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            home = _home(runner, _keep(runner, key, "http"), seconds)
            return {"home": home}, f"p99 {home['alone']['p99_ms']:.1f} ms alone, {home['beside']['p99_ms']:.1f} beside files"

        return Cell(self.name, key, f"files home {key} round {number}", 2 * (seconds + 2), run)

    def _held(self, key: str, number: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            held = _hold(_keep(runner, key, "http"))
            return {"held": held}, f"{held['pss_kb'] / _HELD:.1f} KB for each connection"

        return Cell(self.name, key, f"files held {key} round {number}", 10, run)

    def table(self, records: Sequence[Record]) -> str:
        parts = [
            "### files: static files beside nginx\n\n"
            "wrk, 1 thread, 64 connections (100 MB: 4; HTTP/2: h2load, 16 connections of 32 streams). nginx has sendfile, "
            "tcp_nopush, open_file_cache and gzip_static on and as many workers as there are CPUs. Both servers run all the "
            "time, and a kind of file is asked of one and then of the other. Medians of the rounds; CPU is that of the server's "
            "whole process tree."
        ]
        for scheme, kinds in (("http", _PLAIN), ("https", _SECURE)):
            rows = []
            for kind in kinds:
                groups = by_server([record for record in records if record["label"].split()[1:3] == [scheme, kind.name]])
                peer = measured(groups.get("nginx", ()))
                for key, group in groups.items():
                    good = measured(group)
                    if not good:
                        rows.append([kind.title, SERVERS[key].label, without_figures(group), *[""] * 4])
                        continue
                    ratio = f"{median(good, 'rps') / median(peer, 'rps'):.2f}" if peer else ""
                    size = _SIZES[kind.file] if kind.status == 200 and "gzip" not in kind.header else 0
                    rows.append(
                        [
                            kind.title,
                            SERVERS[key].label,
                            f"{median(good, 'rps'):,.{0 if median(good, 'rps') >= 100 else 1}f}",
                            f"{median(good, 'rps') * size / _MEGABYTE:,.0f}" if size else "",
                            f"{median(good, 'cpu_us'):,.0f}",
                            "" if kind.streams else f"{median(good, 'p99_ms'):.2f}",
                            ratio,
                        ]
                    )
            if rows:
                head = ["", "server", "requests/s", "MB/s", "CPU µs/request", "p99 ms", "it : nginx"]
                parts.append(f"**{'TLS' if scheme == 'https' else 'Plain HTTP'}**\n\n" + markdown(head, rows))
        beside = by_server([record for record in measured(records) if "home" in record])
        held = by_server([record for record in measured(records) if "held" in record])
        if beside and held:
            rows = [
                [
                    SERVERS[key].label,
                    *(f"{median(beside[key], 'home', when, 'p99_ms'):.1f}" for when in ("alone", "beside")),
                    f"{min(record['held']['served'] for record in group):,} of {_HELD:,}",
                    f"{median(group, 'held', 'pss_kb') / _HELD:.1f}",
                ]
                for key, group in held.items()
                if key in beside
            ]
            head = ["server", "home page p99 ms alone", "beside 64 clients of 20 KB files", "silent connections", "KB each"]
            parts.append("**The home page beside files (50 a second), and connections that are kept**\n\n" + markdown(head, rows))
        return "\n\n".join(parts)


def _keep(runner: Runner, key: str, scheme: str) -> Running:
    launch = Launch("contracts.wsgi:application", runner.environment.site, WORKERS, edge=edge(runner, scheme == "https"))
    return runner.keep(SERVERS[key], launch, name=f"{key}-{scheme}")


def edge(runner: Runner, secure: bool) -> Edge:
    build = runner.environment.build
    return Edge(_make_files(build / "files"), _make_certificate(build) if secure else None)


def _ask(runner: Runner, running: Running, kind: Kind, folder: Path, seconds: float) -> Record:
    path = FILES_PREFIX + kind.file
    content = (folder / kind.file).read_bytes()
    answer = running.get(path)
    if answer.status != 200 or answer.body != content:
        raise CellError(f"{path} answered {answer.status} with {len(answer.body)} bytes")
    line = kind.header.format(etag=next((value for name, value in answer.headers.items() if name.lower() == "etag"), ""))
    if line:
        name, _, value = line.partition(": ")
        if (status := running.get(path, headers={name: value}).status) != kind.status:
            raise CellError(f"{path} with {line} answered {status}")
    if kind.streams:
        return _h2load(runner, running, path, kind, seconds)
    lines = [line] if line else []
    load(runner, running, path, kind.connections, 1, keeps=True, close=kind.close, headers=lines)  # warm
    figures = load(runner, running, path, kind.connections, seconds, keeps=not kind.close, close=kind.close, headers=lines)
    if kind.status != 200:
        figures["errors"] = 0  # wrk counts every answer but 2xx and 3xx
    return figures


def _h2load(runner: Runner, running: Running, path: str, kind: Kind, seconds: float) -> Record:
    before = running.group.cpu_seconds()
    command = ["h2load", f"-c{kind.connections}", f"-m{kind.streams}", "-t1", f"-D{max(1, round(seconds))}", "--warm-up-time=1"]
    text = runner.program([*command, running.url + path], cwd=runner.environment.build, limit=seconds + 30)
    cpu = running.group.cpu_seconds() - before
    words = next(line for line in text.splitlines() if line.startswith("finished in")).split()
    rate = float(words[3])
    counts = next(line for line in text.splitlines() if line.startswith("requests:"))
    failed = int(counts.split(" failed")[0].split()[-1])
    if rate == 0 or "2xx" not in text:
        raise CellError(f"h2load printed:\n{text}")
    requests = rate * (max(1, round(seconds)) + 1)  # those of the warm-up cost CPU too
    return {"rps": rate, "cpu_us": cpu / requests * 1e6, "errors": failed}


def _home(runner: Runner, running: Running, seconds: float) -> Record:
    """The home page at 50 a second, alone and beside wrk on a file."""
    running.fetch("/", 6 * WORKERS, clients=2 * WORKERS)
    arguments = ["mixed", "-rate=50", f"-measure={seconds}s", "-warmup=500ms", f"-url={running.url}/"]
    figures = {"alone": runner.load(arguments, limit=seconds + 40)["home"]}
    with ThreadPoolExecutor(1) as pool:
        files = pool.submit(runner.wrk, f"{running.url}{FILES_PREFIX}page.css", connections=64, seconds=seconds + 1)
        figures["beside"] = runner.load(arguments, limit=seconds + 40)["home"]
        figures["files"] = files.result()
    return figures


_HELD = 10_000


def _hold(running: Running) -> Record:
    """What ten thousand silent connections cost the first processes: kilobytes of memory."""
    before = tree_pss(running.group)
    with running.held(f"{FILES_PREFIX}small.css", _HELD, 20.0) as served:
        running.group.settle(5.0)
        after = tree_pss(running.group)
    return {"served": served, "pss_kb": after - before}


def tree_pss(group: Group) -> int:
    return pss_kb(each.pid for each in group.members())
