"""Record what the demo site is asked for and what each request needs, as demo.tsv.

    python3 prefork/lane/sim/testdata/record.py bin/gounicorn build/demo-venv/bin/python > prefork/lane/sim/testdata/demo.tsv

starts the server with the demo site (its database must be filled: make demo-setup), lets some visitors loose on it for half a
minute, and turns the access log into a trace. The site is wrapped, so that each answer says when its view began, how much
processor time it took, and for how long it only waited for a processor; queue and run time are the log's own.
"""

from __future__ import annotations

import http.client
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SITE = Path(__file__).resolve().parents[4] / "examples" / "contracts"
SECONDS = 30.0
FORMAT = "%({queue}x)s|%({run}x)s|%({x-cost}o)s|%(h)s|%(m)s|%({route}x)s"
WAITS = 500_000  # microseconds; what is less is a busy machine's noise
WARM = "127.0.0.1"  # asks before the others, so that every worker has loaded the site, and is left out of the trace


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Call the demo site and say in X-Cost when that was and what it took, in microseconds."""
    from contracts.wsgi import application as site

    began, before = time.time_ns() // 1000, costs()

    def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
        cpu, delay = (after - least for after, least in zip(costs(), before, strict=True))
        return start_response(status, [*headers, ("X-Cost", f"{began} {cpu} {delay}")], *rest)

    return site(environ, start)


def costs() -> tuple[int, int]:
    """Processor time of this thread, and the time for which it waited for a processor, in microseconds."""
    delay = Path("/proc/thread-self/schedstat").read_text().split()[1]
    return time.thread_time_ns() // 1000, int(delay) // 1000


class Visitor(threading.Thread):
    """A visitor with an address and a connection of his own, who thinks between his questions."""

    def __init__(
        self, number: int, port: int, until: float, think: float, paths: list[tuple[int, str]], first: float | None = None
    ) -> None:
        super().__init__()
        self.chance, self.until, self.think, self.paths = random.Random(number), until, think, paths
        self.first = self.chance.random() * think if first is None else first
        self.connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(f"127.0.0.{number}", 0))

    def run(self) -> None:
        time.sleep(self.first)
        while time.monotonic() < self.until:
            weights = [weight for weight, _ in self.paths]
            path = self.chance.choices([path for _, path in self.paths], weights)[0]
            self.connection.request("GET", path.replace("N", str(self.chance.randint(1, 400))))
            self.connection.getresponse().read()
            time.sleep(self.chance.expovariate(1 / self.think))


def record(gounicorn: str, python: str) -> list[str]:
    """Run server and visitors; return the lines of the access log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "access.log"
        command = [gounicorn, "--python", python, "--chdir", str(SITE), "--pythonpath", str(Path(__file__).parent)]
        command += ["-w", "4", "-b", f"127.0.0.1:{port}", "--access-logfile", str(log), "--access-logformat", FORMAT]
        server = subprocess.Popen([*command, "record:application"])
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.1)
            warm = [
                subprocess.Popen(["curl", "-s", "-o", "/dev/null", f"http://{WARM}:{port}/contract/{n}/scan"])
                for n in range(1, 13)
            ]
            for client in warm:
                client.wait()
            until = time.monotonic() + SECONDS
            pages = [(10, "/"), (5, "/contract/N/"), (2, "/documents/"), (2, "/?q=a"), (1, "/api/contracts.json")]
            pages += [(1, "/contract/N/download")]
            everybody = [Visitor(n, port, until, 0.4, pages) for n in range(10, 25)]
            everybody += [Visitor(n, port, until, 0.5, [(1, "/contract/N/download")]) for n in range(30, 33)]
            everybody += [Visitor(n, port, until, 2.0, [(1, "/contract/N/scan")]) for n in range(40, 45)]
            # One who opens twelve at once.
            everybody += [Visitor(50, port, until, 15.0, [(1, "/contract/N/download")], first=8.0) for _ in range(12)]
            for visitor in everybody:
                visitor.start()
            for visitor in everybody:
                visitor.join()
        finally:
            server.terminate()
            server.wait()
        return log.read_text().splitlines()


def trace(log: list[str]) -> list[str]:
    """Turn the log into lines of arrival, client, processor time and waiting in microseconds, and route key."""
    rows = []
    for line in log:
        queue, run, cost, client, method, route = line.split("|")
        if client == WARM or cost == "-":
            continue
        began, cpu, delay = cost.split()
        waited = int(run) - int(cpu) - int(delay)
        key = route if " " in route else f"{method} {route}"
        rows.append((int(began) - int(queue), client.rpartition(".")[2], cpu, waited if waited > WAITS else 0, key))
    first = min(row[0] for row in rows)
    head = f"# {time.strftime('%Y-%m-%d')} by record.py: microseconds of arrival, client, processor time, waiting; route key"
    return [head, *("\t".join(map(str, (arrived - first, *rest))) for arrived, *rest in sorted(rows))]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in trace(record(*sys.argv[1:3])))
