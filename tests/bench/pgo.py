"""Makes cmd/gounicorn/default.pgo: a CPU profile of the master under a mixed load, by which the compiler optimises it.

python3 tests/bench/pgo.py bin/gounicorn cmd/gounicorn/default.pgo

The load is what sites have: small answers over kept connections most of all, then JSON, small uploads, connections for one
request, a few large answers and uploads, and static files.
wrk sends it; make pgo builds the master without the old profile first.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

APPS = Path(__file__).resolve().parent / "apps"
SECONDS = 30
BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.5",
    "Cookie": "sessionid=8m2qkz0c7l5d3v9x; csrftoken=Xq0d8rPz",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}

# Seconds, path, connections, bytes of a POST body, further fields.
LOADS: list[tuple[int, str, int, int, dict[str, str]]] = [
    (9, "/", 64, 0, BROWSER),
    (3, "/", 2, 0, BROWSER),
    (4, "/json", 16, 0, BROWSER),
    (3, "/", 32, 10_240, BROWSER),
    (3, "/", 32, 0, {**BROWSER, "Connection": "close"}),
    (1, "/big", 8, 0, BROWSER),
    (1, "/", 4, 1 << 20, BROWSER),
    (2, "/files/small.css", 64, 0, BROWSER),
    (2, "/files/page.css", 64, 0, BROWSER),
    (2, "/files/page.css", 64, 0, {**BROWSER, "If-None-Match": "*"}),
]
FILES = {"small.css": 1_000, "page.css": 20_000}


def wrk(address: str, seconds: int, path: str, connections: int, body: int, fields: dict[str, str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body:
            script.write(f'wrk.method = "POST"\nwrk.body = string.rep("x", {body})\n')
            script.flush()
        headers = [part for name, value in fields.items() for part in ("-H", f"{name}: {value}")]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", script.name, *headers, f"http://{address}{path}"]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(path, connections, body, re.findall(r"Requests/sec: *(\S+)", report)[0], flush=True)


def start(gounicorn: str, files: Path) -> tuple[subprocess.Popen[str], str, str]:
    command = [gounicorn, "-w", "2", "-b", "127.0.0.1:0", "--metrics-bind", "127.0.0.1:0", "--metrics-pprof"]
    command += ["--static", f"/files/={files}", "sizes:application"]
    server = subprocess.Popen(command, cwd=APPS, stderr=subprocess.PIPE, text=True)
    found: dict[str, str] = {}
    assert server.stderr is not None
    while len(found) < 2:
        line = server.stderr.readline()
        if not line:
            raise SystemExit("gounicorn did not start")
        for what in ("Listening", "Metrics"):
            if place := re.search(rf"{what} at: http://([0-9.:]+)", line):
                found[what] = place[1]
    time.sleep(1)  # its workers load the application
    return server, found["Listening"], found["Metrics"]


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=SECONDS + 60) as answer:
        profile: bytes = answer.read()
    return profile


def main(gounicorn: str, profile: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, size in FILES.items():
            (Path(folder) / name).write_bytes(b"x" * size)
        server, address, metrics = start(str(Path(gounicorn).resolve()), Path(folder))
        try:
            with ThreadPoolExecutor(1) as collector:
                taken = collector.submit(fetch, f"http://{metrics}/debug/pprof/profile?seconds={SECONDS}")
                for load in LOADS:
                    wrk(address, *load)
                Path(profile).write_bytes(taken.result())
        finally:
            server.terminate()
            server.wait(timeout=60)


if __name__ == "__main__":
    main(*sys.argv[1:])
