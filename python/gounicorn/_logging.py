"""The log of zygote and workers: `worker.log`, `server.log`, and logging.getLogger("gunicorn.error") and "gunicorn.access".

Without a logger of its own a configuration's records go to the master, which writes them as its own. With one (logger_class,
logconfig, logconfig_dict, logconfig_json) Python writes: workers their own records, the zygote those of the master, which come as
RECORD packets.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from gounicorn import _cfg, _exchange, _glogging, _journal, _statsd

if TYPE_CHECKING:
    from gounicorn._cfg import Config

STATSD = "gunicorn.instrument.statsd.Statsd"


class MasterHandler(logging.Handler):
    """Sends records to the master."""

    def __init__(self, log: int) -> None:
        """Send to one of the two logs."""
        super().__init__()
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            _journal.write(record.levelno, self.format(record), self._log)
        except Exception:
            self.handleError(record)


class MasterLogger(_glogging.Logger):
    """The logger of a configuration that has none of its own."""

    def _set_handler(self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: Any = None) -> None:
        handler = MasterHandler(_journal.ACCESS_LOG if log is self.access_log else _journal.ERROR_LOG)
        self._add(log, handler, handler.formatter or fmt)

    def _set_syslog_handler(self, log: logging.Logger, cfg: Any, fmt: str, name: str) -> None:
        """Leave it to the master."""


class MasterStatsd(MasterLogger, _statsd.Statsd):
    """The same where there is a statsd_host."""

    def _count(self, level: str) -> None:
        """Leave it to the master, which gets the record."""


class _AsMaster(logging.Filter):
    """Gives records of the zygote the pid of the master, whose part it plays; the workers' have their own."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self._own, self._master = os.getpid(), master

    def filter(self, record: logging.LogRecord) -> bool:
        if record.process == self._own:
            record.process = self._master
        return True


_log: Any = None


def load_class(configured: Any, *, statsd: bool = False) -> type:
    """Return the class that logger_class means; statsd: the default one sends metrics."""
    from gunicorn import util

    if configured in (None, "simple", _cfg.LOGGER):
        configured = STATSD if statsd else _cfg.LOGGER
    found = util.load_class(configured, _cfg.LOGGER, "gunicorn.loggers")
    if hasattr(found, "install"):
        found.install()
    return found


def start(cfg: Config, *, native: bool, master: int) -> Any:
    """Make the log of this process and of those it forks; native: the master writes. What is wrong is raised as it comes."""
    global _log
    if native:
        _log = (MasterStatsd if cfg.statsd_host else MasterLogger)(cfg)
    else:
        for name in ("gunicorn.error", "gunicorn.access"):
            logging.getLogger(name).addFilter(_AsMaster(master))
        _log = cfg.logger_class(cfg)
    return _log


def reopen() -> None:
    """Open log files again, after a rotation."""
    if _log is not None:
        _log.reopen_files()


def take(level: int, payload: bytes) -> None:
    """Write what the master sent as a RECORD. Errors go to standard error, never back to the master."""
    try:
        record = json.loads(payload)
        if "environ" in record:
            _log.access(*_exchange.unserved(record))
            return
        error_log = logging.getLogger("gunicorn.error")
        if error_log.isEnabledFor(level):
            error_log.handle(_made(level, record))
    except Exception:
        traceback.print_exc(file=sys.stderr)


def _made(level: int, record: dict[str, Any]) -> logging.LogRecord:
    made = logging.LogRecord("gunicorn.error", level, "", 0, record["message"], None, None)
    made.process = record["pid"]
    made.created = record["time"]
    made.msecs = (made.created % 1) * 1000
    return made
