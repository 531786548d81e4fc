"""Our Logger beside gunicorn's: the same configuration and the same calls leave the same text."""

from __future__ import annotations

import datetime
import json
import logging
import re
from typing import TYPE_CHECKING

import gunicorn.config
import gunicorn.glogging
import pytest
from gounicorn import _cfg, _exchange, _glogging

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "RAW_URI": '/p?q="x"',
    "PATH_INFO": "/p",
    "QUERY_STRING": 'q="x"',
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "10.0.0.1",
    "HTTP_USER_AGENT": 'a "quoted" agent',
    "HTTP_AUTHORIZATION": "Basic YnJpYW46eA==",
    "HTTP_X_MIXED": "in",
}
FORMAT = '%(h)s %(l)s %(u)s "%(r)s" %(m)s %(U)s %(q)s %(H)s %(s)s %(B)s %(b)s "%(f)s" "%(a)s" %(T)s %(D)s %(M)s %(L)s %(p)s '
FORMAT += "%({x-mixed}i)s %({X-Out}o)s %({path_info}e)s %({missing}i)s %(nothing)s"


def theirs(**values):
    cfg = gunicorn.config.Config()
    for name, value in values.items():
        cfg.set(name, value)
    return cfg


def ours(**values):
    """Our cfg with gunicorn's defaults."""
    defaults = {name: setting.get() for name, setting in gunicorn.config.Config().settings.items()}
    return _cfg.use({**defaults, **values})


@pytest.fixture(autouse=True)
def fresh():
    yield
    for name in ("gunicorn.error", "gunicorn.access", ""):
        log = logging.getLogger(name)
        for handler in [h for h in log.handlers if type(h).__module__ != "_pytest.logging"]:
            log.removeHandler(handler)
            handler.close()


def use(logger_class, cfg, folder: Path):
    log = logger_class(cfg)
    log.info("hello %s", "you")
    log.debug("hidden")
    log.log("warning", "by name")
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("failed")
    req = _exchange.Request(ENVIRON)
    resp = _exchange.Response(req, "200 OK", [("X-Out", "out")], 12, 12)
    log.access(resp, req, ENVIRON, datetime.timedelta(seconds=3, microseconds=4567))
    log.reopen_files()
    log.info("after")
    return {path.name: clean(path.read_text()) for path in folder.iterdir()}


def clean(text: str) -> str:
    return re.sub(r"line \d+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "*", text)


def both(tmp_path: Path, **values):
    results = []
    for name, logger_class, make in (
        ("theirs", gunicorn.glogging.Logger, theirs),
        ("ours", _glogging.Logger, ours),
        ("mixed", gunicorn.glogging.Logger, ours),  # the real logger with our cfg
    ):
        folder = tmp_path / name
        folder.mkdir()
        filled = {k: json.loads(json.dumps(v).replace("FOLDER", str(folder))) for k, v in values.items()}
        results.append(use(logger_class, make(**filled), folder))
    assert results[0] == results[1] == results[2]
    return results[1]


def test_files(tmp_path):
    written = both(tmp_path, errorlog="FOLDER/error", accesslog="FOLDER/access", access_log_format=FORMAT)
    assert "[INFO] hello you" in written["error"] and "ValueError: why" in written["error"]
    assert "hidden" not in written["error"]
    assert written["access"].startswith('10.0.0.1 - brian "GET /p?q=\\"x\\" HTTP/1.1" GET /p')
    assert " in out /p - -\n" in written["access"]


def test_debug_level(tmp_path):
    assert "hidden" in both(tmp_path, errorlog="FOLDER/error", loglevel="DEBUG")["error"]


DICT = {
    "formatters": {"short": {"format": "%(levelname)s|%(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "FOLDER/all", "formatter": "short"}},
    "loggers": {
        name: {"level": "INFO", "handlers": ["file"], "propagate": False} for name in ("gunicorn.error", "gunicorn.access")
    },
    "root": {"level": "INFO", "handlers": []},
}


def test_a_dict(tmp_path):
    assert "INFO|hello you\n" in both(tmp_path, logconfig_dict=DICT, access_log_format="%(m)s")["all"]


def test_a_dict_comes_before_a_json_file_before_an_ini_file(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps(DICT).replace("FOLDER/all", str(tmp_path / "json")))
    (tmp_path / "log.ini").write_text("not even an ini file")
    names = {"logconfig_json": str(tmp_path / "log.json"), "logconfig": str(tmp_path / "log.ini")}
    both(tmp_path, **names, access_log_format="%(m)s")
    assert (tmp_path / "json").read_text().startswith("INFO|hello you\n")


INI = """
[loggers]
keys=root,e
[handlers]
keys=file
[formatters]
keys=short
[logger_root]
level=INFO
handlers=
[logger_e]
level=INFO
handlers=file
qualname=gunicorn.error
propagate=0
[handler_file]
class=FileHandler
formatter=short
args=("%(here)s/FOLDER", "a")
[formatter_short]
format=%(levelname)s %(message)s
"""


@pytest.mark.parametrize("logger_class", [gunicorn.glogging.Logger, _glogging.Logger])
def test_an_ini_file(tmp_path, logger_class):
    folder = tmp_path / "logs"
    folder.mkdir()
    (tmp_path / "log.ini").write_text(INI.replace("FOLDER", "logs/e"))
    written = use(logger_class, ours(logconfig=str(tmp_path / "log.ini")), folder)
    assert written["e"].startswith("INFO hello you\n")


@pytest.mark.parametrize(
    "values",
    [
        {"logconfig": "/nowhere/log.ini"},
        {"logconfig_dict": {"handlers": {"x": {"class": "no.such.Handler"}}}},
        {"logconfig_dict": {"loggers": {"x": {"handlers": ["missing"]}}}},
        {"errorlog": "/nowhere/error.log"},
        {"syslog": True, "syslog_addr": "http://x"},
        {"syslog": True, "syslog_addr": "udp://x:port"},
        {"syslog": True, "syslog_addr": "udp://localhost:514", "syslog_facility": "none"},
    ],
)
def test_what_is_wrong_is_a_runtime_error(values):
    with pytest.raises(RuntimeError):
        gunicorn.glogging.Logger(ours(**values))
    with pytest.raises(RuntimeError):
        _glogging.Logger(ours(**values))


def test_a_broken_json_file(tmp_path):
    (tmp_path / "log.json").write_text("{")
    with pytest.raises(RuntimeError, match="Expecting property name"):
        _glogging.Logger(ours(logconfig_json=str(tmp_path / "log.json")))


@pytest.mark.parametrize(
    "address",
    [
        "unix:///dev/log",
        "unix:///dev/log#dgram",
        "unix:///dev/log#stream",
        "udp://localhost",
        "udp://LOG.example:5514",
        "tcp://[::1]:6514",
        "tcp://[::1]",
        "udp://",
    ],
)
def test_addresses_of_syslog(address):
    assert _glogging.parse_syslog_address(address) == gunicorn.glogging.parse_syslog_address(address)


def test_names_that_configurations_use():
    for name in ("CONFIG_DEFAULTS", "SYSLOG_FACILITIES"):
        assert getattr(_glogging, name) == getattr(gunicorn.glogging, name)
    missing = {n for n in vars(gunicorn.glogging.Logger) if not n.startswith("_")} - set(dir(_glogging.Logger))
    assert missing == set()
