"""gunicorn.instrument.statsd: the logger that sends metrics. Those of requests the master sends."""

from __future__ import annotations

import logging
import re
import socket
from typing import Any

from gounicorn._glogging import Logger

METRIC_VAR, VALUE_VAR, MTYPE_VAR = "metric", "value", "mtype"
GAUGE_TYPE, COUNTER_TYPE, HISTOGRAM_TYPE, TIMER_TYPE = "gauge", "counter", "histogram", "timer"


class Statsd(Logger):
    """A logger whose records may carry a metric: log.info("", extra={"metric": name, "value": 1, "mtype": "counter"})."""

    def __init__(self, cfg: Any) -> None:
        """Connect to cfg.statsd_host."""
        super().__init__(cfg)
        self.prefix = re.sub(r"^(.+[^.])\.*$", r"\1.", cfg.statsd_prefix or "")
        self.dogstatsd_tags = cfg.dogstatsd_tags
        self.sock: socket.socket | None = None
        if not cfg.statsd_host:
            return
        host = cfg.statsd_host
        try:
            if isinstance(host, str):
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.sock.connect(host.removeprefix("unix://"))
            else:
                family, kind, protocol, _, address = socket.getaddrinfo(*host, type=socket.SOCK_DGRAM)[0]
                self.sock = socket.socket(family, kind, protocol)
                self.sock.connect(address)
        except OSError:
            self.sock = None  # a metric is not worth an error

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log and count, as the methods that follow."""
        super().critical(msg, *args, **kwargs)
        self._count("critical")

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error."""
        super().error(msg, *args, **kwargs)
        self._count("error")

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a warning."""
        super().warning(msg, *args, **kwargs)
        self._count("warning")

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error with its traceback."""
        super().exception(msg, *args, **kwargs)
        self._count("exception")

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log what happens, and send the metric of extra, as the methods that follow."""
        self.log(logging.INFO, msg, *args, **kwargs)

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a detail."""
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at a level. Without a message there is only the metric."""
        extra = kwargs.get("extra") or {}
        send = {
            GAUGE_TYPE: self.gauge,
            COUNTER_TYPE: self.increment,
            HISTOGRAM_TYPE: self.histogram,
            TIMER_TYPE: self.timer,
        }.get(extra.get(MTYPE_VAR))
        if send is not None and extra.get(METRIC_VAR) and extra.get(VALUE_VAR) is not None:
            send(extra[METRIC_VAR], extra[VALUE_VAR])
        if msg:
            super().log(lvl, msg, *args, **kwargs)

    def _count(self, level: str) -> None:
        self.increment(f"gunicorn.log.{level}", 1)

    def gauge(self, name: str, value: float) -> None:
        """Send a value."""
        self._sock_send(f"{self.prefix}{name}:{value}|g")

    def increment(self, name: str, value: int, sampling_rate: float = 1.0) -> None:
        """Count up."""
        self._sock_send(f"{self.prefix}{name}:{value}|c|@{sampling_rate}")

    def decrement(self, name: str, value: int, sampling_rate: float = 1.0) -> None:
        """Count down."""
        self._sock_send(f"{self.prefix}{name}:-{value}|c|@{sampling_rate}")

    def timer(self, name: str, value: float) -> None:
        """Send a duration in milliseconds."""
        self._sock_send(f"{self.prefix}{name}:{value}|ms")

    def histogram(self, name: str, value: float) -> None:
        """Send a value of a distribution."""
        self._sock_send(f"{self.prefix}{name}:{value}|h")

    def _sock_send(self, text: str) -> None:
        if self.sock is None:
            return
        if self.dogstatsd_tags:
            text += f"|#{self.dogstatsd_tags}"
        try:
            self.sock.send(text.encode("ascii", "replace"))
        except OSError:
            pass  # a metric is not worth an error
