"""Scenario transfers: bodies that no memory should hold, beside nginx in front of gunicorn."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .environment import APPS
from .files import WORKERS, edge, tree_pss
from .procs import Group
from .progress import Progress
from .runner import CellError, Runner, Running
from .scenario import START_STOP_SECONDS, Cell, Options, Record, by_server, markdown, measured, median, without_figures
from .servers import EDGE_SERVERS, SERVERS, Launch


class Transfers:
    """Transfers sends and fetches bodies that no memory should hold."""

    name = "transfers"
    plots: tuple[str, ...] = ()
    needs_site = False
    needs_wrk = False
    upload = 100_000_000
    stream = 500  # MiB

    def cells(self, options: Options) -> list[Cell]:
        rounds = options.rounds or (1 if options.quick else 3)
        return [self._cell(key, number) for number in range(1, rounds + 1) for key in options.chosen(EDGE_SERVERS)]

    def _cell(self, key: str, number: int) -> Cell:
        def run(runner: Runner, progress: Progress) -> tuple[Record, str]:
            launch = Launch("transfers:application", APPS, WORKERS, edge=edge(runner, False))
            with runner.serve(SERVERS[key], launch) as running:
                progress.detail("upload")
                body = b"x" * self.upload
                with _watched(running.group) as peak:
                    begin = time.monotonic()
                    answer = running.get("/", timeout=120, body=body)
                    upload = {"seconds": time.monotonic() - begin, "peak_kb": peak()}
                if answer.status != 200 or json.loads(answer.body) != {"bytes": len(body), "crc32": zlib.crc32(body)}:
                    raise CellError(f"the upload was answered with {answer.status} {answer.body[:100]!r}")
                progress.detail("stream")
                with _watched(running.group) as peak:
                    begin = time.monotonic()
                    length = _drain(running, f"/stream/{self.stream}")
                    stream = {"seconds": time.monotonic() - begin, "peak_kb": peak()}
                if length != self.stream << 20:
                    raise CellError(f"{length} bytes of the stream arrived")
            text = f"upload {upload['seconds']:.2f} s, stream {stream['seconds']:.2f} s"
            return {"upload": upload, "stream": stream}, text

        return Cell(self.name, key, f"transfers {key} round {number}", START_STOP_SECONDS + 6, run)

    def table(self, records: Sequence[Record]) -> str:
        rows = []
        for key, group in by_server(records).items():
            good = measured(group)
            if not good:
                rows.append([SERVERS[key].label, without_figures(group), "", "", ""])
                continue
            row = [SERVERS[key].label]
            for what in ("upload", "stream"):
                row += [f"{median(good, what, 'seconds'):.2f}", f"{median(good, what, 'peak_kb') / 1024:,.0f}"]
            rows.append(row)
        head = ["server", "100 MB upload s", "memory above idle MB", "500 MiB stream s", "memory above idle MB"]
        return (
            "### transfers: large bodies\n\nOne client, a WSGI application that reads or yields in pieces of 64 KiB. Memory is "
            "the highest sum of the process tree's PSS against before, files under tmpfs not counted.\n\n" + markdown(head, rows)
        )


def _drain(running: Running, path: str) -> int:
    connection = running.connect(120)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        length = 0
        while piece := response.read(1 << 20):
            length += len(piece)
        return length
    finally:
        connection.close()


@contextmanager
def _watched(group: Group) -> Iterator[Callable[[], int]]:
    """Watch the memory of a process tree; the function returns how much more it was at most, in kilobytes."""
    before, peak, over = tree_pss(group), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], tree_pss(group) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak[0]
    finally:
        over.set()
        thread.join()
