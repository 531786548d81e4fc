"""Counts what a hello request costs the worker: instructions in user space (callgrind), CPU time, requests per second.

    python bench.py [requests]

The instructions are steady from run to run, the rest is not: the feeder is Python and shares the machine. A hardware counter is
not needed, since virtual machines often have none.
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from master import GP, HEADER, SLOTS, Worker, encode

from build import build

BROWSER = {
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_COOKIE": "sessionid=0123456789abcdef; csrftoken=x",
    "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
    "HTTP_SEC_FETCH_SITE": "none",
}


def entries(extra: dict[str, str]) -> dict[str, str]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "RAW_URI": "/",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "localhost:8000",
        **extra,
    }


def feed(worker: Worker, payload: bytes, pairs: int, count: int) -> float:
    """Keeps a small window of requests on the queue, as the master does; seconds it took."""
    sock, window, sent, got = worker.streams[0].sock, 8, 0, 0
    begin = time.perf_counter()
    size = None
    rest = 0
    while got < count:
        while sent < count and sent - got < window:
            slot = sent % SLOTS
            worker.queue_slot(slot, sent + 1)
            worker.queue.send(HEADER.pack(len(payload), GP["KIND_REQUEST"], 0, pairs, slot, sent + 1) + payload)
            sent += 1
        data = sock.recv(65536)
        if size is None:
            size = 16 + HEADER.unpack_from(data)[0]
        rest += len(data)
        got += rest // size
        rest %= size
    return time.perf_counter() - begin


def instructions(module: Path, folder: str, payload: bytes, pairs: int, count: int) -> int:
    """Instructions in user space of a whole worker that serves count requests."""
    out = Path(folder) / f"callgrind.{count}"
    os.environ["GOUNICORN_TEST_WRAPPER"] = f"valgrind --tool=callgrind -q --callgrind-out-file={out}"
    worker = Worker(module, "hello")
    feed(worker, payload, pairs, count)
    worker.stop()
    del os.environ["GOUNICORN_TEST_WRAPPER"]
    worker.destroy()
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    with tempfile.TemporaryDirectory() as folder:
        module = build(Path(folder))
        for name, extra in (("12 names", {}), ("19 names", BROWSER)):
            e = entries(extra)
            payload = encode(e, b"", 0, inline=True)
            worker = Worker(module, "hello")
            feed(worker, payload, len(e), 2000)
            seconds = feed(worker, payload, len(e), count)
            cpu = sorted(worker.slot(i)["cpu"] for i in range(SLOTS))[SLOTS // 2]
            worker.destroy()
            few, many = (instructions(module, folder, payload, len(e), n) for n in (1000, 3000))
            print(
                f"{name}: {(many - few) / 2000:.0f} instructions, {cpu} ns of CPU in the middle; {count / seconds:.0f} requests/s"
            )


main()
