"""gunicorn.instrument.statsd. The master sends the server's metrics; this class sends what application and configuration add."""

from __future__ import annotations

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
        self.prefix = cfg.statsd_prefix and cfg.statsd_prefix.rstrip(".") + "."
        self.dogstatsd_tags = cfg.dogstatsd_tags
        self.sock: socket.socket | None = None
        if not cfg.statsd_host:
            return
        host = cfg.statsd_host
        is_path = isinstance(host, str)
        try:
            self.sock = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.connect(host.removeprefix("unix://") if is_path else tuple(host))
        except OSError:
            self.sock = None

    def _with_metric(self, level: str, msg: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        extra = kwargs.get("extra") or {}
        send = {
            GAUGE_TYPE: self.gauge,
            COUNTER_TYPE: self.increment,
            HISTOGRAM_TYPE: self.histogram,
            TIMER_TYPE: self.timer,
        }.get(extra.get(MTYPE_VAR))
        if extra.get(METRIC_VAR) and extra.get(VALUE_VAR) is not None and send is not None:
            send(extra[METRIC_VAR], extra[VALUE_VAR])
        if msg:
            getattr(super(), level)(msg, *args, **kwargs)

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log, and send the metric of extra, as the methods that follow."""
        self._with_metric("critical", msg, args, kwargs)

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error."""
        self._with_metric("error", msg, args, kwargs)

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a warning."""
        self._with_metric("warning", msg, args, kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error with its traceback."""
        self._with_metric("exception", msg, args, kwargs)

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log what happens."""
        self._with_metric("info", msg, args, kwargs)

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a detail."""
        self._with_metric("debug", msg, args, kwargs)

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
