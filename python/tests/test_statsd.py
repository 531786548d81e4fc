"""Our logger that sends metrics beside gunicorn's: the same calls send the same packets and write the same lines."""

from __future__ import annotations

import logging
import socket

import gunicorn.config
import gunicorn.instrument.statsd
import pytest
from gounicorn import _cfg, _statsd

CALLS = [
    ("info", "", {"metric": "depth", "value": 1.5, "mtype": "gauge"}),
    ("debug", "", {"metric": "jobs", "value": 2, "mtype": "counter"}),
    ("info", "said too", {"metric": "sizes", "value": 7, "mtype": "histogram"}),
    ("info", "", {"metric": "took", "value": 0, "mtype": "timer"}),
    ("info", "", {"metric": "no", "value": None, "mtype": "gauge"}),
    ("info", "", {"metric": "no", "value": 1, "mtype": "unknown"}),
    ("info", "no metric", None),
    ("warning", "w", {"metric": "no", "value": 1, "mtype": "gauge"}),
    ("error", "e", None),
    ("critical", "c", None),
    ("exception", "x", None),
]
METRICS = 4  # of the calls that send one


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.levelname} {record.getMessage()}")


def cfg_of(kind: str, port: int, prefix: str, tags: str):
    theirs = gunicorn.config.Config()
    values = {"statsd_host": f"127.0.0.1:{port}", "statsd_prefix": prefix, "dogstatsd_tags": tags}
    for name, value in values.items():
        theirs.set(name, value)
    if kind == "theirs":
        return theirs
    return _cfg.use({name: setting.get() for name, setting in theirs.settings.items()})


def play(make, kind: str, prefix: str, tags: str) -> tuple[list[bytes], list[str]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        log = make(cfg_of(kind, server.getsockname()[1], prefix, tags))
        records = Records()
        log.error_log.handlers = [records]
        for level, text, extra in CALLS:
            getattr(log, level)(text, extra=extra)
        packets = []
        try:
            while True:
                packets.append(server.recv(1000))
        except BlockingIOError:
            pass
        log.sock.close()
        log.error_log.handlers = []
        return packets, records.texts


@pytest.mark.parametrize("prefix", ["", "shop", "shop..", "a", "a.", "a.b.c"])
@pytest.mark.parametrize("tags", ["", "env:prod,a"])
def test_packets_are_gunicorns(prefix, tags):
    theirs = play(gunicorn.instrument.statsd.Statsd, "theirs", prefix, tags)
    assert len(theirs[0]) == METRICS + 4
    assert play(_statsd.Statsd, "ours", prefix, tags) == theirs
