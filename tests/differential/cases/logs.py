"""Logs, access formats, Python logging, syslog, statsd: sections 1.4 and 3."""

from case import Case

AGENT = ("User-Agent: probe/1.0", "Referer: http://example.org/from", "X-Thing: seen")


def case(name, args="app:app", conf=None, ask=(("/",),), **more):
    def play(run):
        run.settle()
        for targets in ask:
            run.get(*targets)
        if more.get("statsd"):
            run.text_of("/last")

    return Case("logs/" + name, args, conf=conf, play=play, **more)


def formatted(name, form, ask=(("/", *AGENT),), **more):
    return case("access-" + name, "--access-logfile - app:app", f"access_log_format = {form!r}\n", ask, **more)


def atom(name, *ask, form=None):
    return formatted(f"atom-{name}", f"[{form or f'%({name})s'}]", ask or (("/some%20path?a=b", *AGENT),))


INI = """[loggers]
keys=root,gunicorn.error,gunicorn.access

[handlers]
keys=file

[formatters]
keys=plain

[logger_root]
level=INFO
handlers=file

[logger_gunicorn.error]
level=INFO
handlers=file
propagate=0
qualname=gunicorn.error

[logger_gunicorn.access]
level=INFO
handlers=file
propagate=0
qualname=gunicorn.access

[handler_file]
class=FileHandler
formatter=plain
args=('python.log',)

[formatter_plain]
format=%(name)s %(levelname)s %(message)s
"""
DICT = """{
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(name)s|%(levelname)s|%(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "python.log", "formatter": "plain"}},
    "root": {"level": "INFO", "handlers": ["file"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["file"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False},
    },
}"""
LOGGER = """
from gunicorn.glogging import Logger


class Mine(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.error_log.info("set up by my logger")

    def access(self, resp, req, environ, request_time):
        if req.path != "/healthz":
            super().access(resp, req, environ, request_time)
"""
ATOMS = """
from gunicorn.glogging import Logger


class Mine(Logger):
    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["mine"] = f"{req.method} {resp.status} {type(request_time).__name__}"
        return atoms
"""
JSON_FORMAT = '{"path": "%(U)s", "status": %(s)s, "agent": "%(a)s"}'


CASES = [
    # access log
    case("no-access-log"),
    case("access-stdout", "--access-logfile - app:app", ask=(("/", *AGENT), ("/none",), ("/chunks",), ("/redirect",))),
    case("access-file", "--access-logfile access app:app", ask=(("/", *AGENT),), keep=("access",)),
    Case("logs/access-file-missing-folder", "--access-logfile /nonexistent/f app:app"),
    formatted("plain", "%(h)s %(m)s %(U)s %(q)s %(H)s %(s)s %(B)s %(b)s"),
    formatted("json", JSON_FORMAT),
    formatted("quotes", "%(a)s", (("/", 'User-Agent: a "quoted" \\ agent'),)),
    formatted("unknown-atom", "%(nothing)s %(s)s"),
    formatted("number-atom", "%(s)d"),
    formatted("percent", "100%% %(s)s"),
    *(atom(name) for name in "hlutrmUqHsBbfap"),
    atom("u-basic", ("/", "Authorization: Basic bWU6c2VjcmV0"), form="%(u)s"),
    atom("u-bad", ("/", "Authorization: Basic %%%"), form="%(u)s"),
    atom("request-header", form="%({X-Thing}i)s %({x-thing}i)s %({missing}i)s"),
    atom("response-header", ("/redirect",), form="%({Location}o)s %({content-length}o)s %({server}o)s"),
    atom("environ", form="%({REQUEST_METHOD}e)s %({wsgi.url_scheme}e)s %({nothing}e)s"),
    atom("file", ("/file",), form="%(B)s %(s)s"),
    atom("raise", ("/raise",), form="%(s)s %(B)s %(U)s %(r)s"),
    atom("raise-late", ("/raise-late",), form="%(s)s %(B)s"),
    case("access-form-of-times", "--access-logfile - app:app", "access_log_format = '%(T)s'\n"),
    # error log
    case("error-file", "--error-logfile errors app:app", keep=("errors",)),
    case("log-file-spelling", "--log-file errors app:app", keep=("errors",)),
    *(
        case(f"level-{level}", f"--log-level {level} app:app", ask=(("/",), ("/raise",)))
        for level in ("warning", "error", "critical", "nonsense", "INFO")
    ),
    case("wsgi-errors", ask=(("/errors",),)),
    case("wsgi-errors-file", "--error-logfile errors app:app", ask=(("/errors",),), keep=("errors",)),
    case("print", ask=(("/print",),)),
    case("capture-output", "--capture-output --error-logfile errors app:app", ask=(("/print",),), keep=("errors",)),
    case("capture-output-without-file", "--capture-output app:app", ask=(("/print",),)),
    case("raise", ask=(("/raise",),)),
    case("raise-late", ask=(("/raise-late",),)),
    # Python's logging
    case(
        "logconfig-ini", "--log-config log.ini app:app", files={"log.ini": INI}, keep=("python.log",), ask=(("/",), ("/raise",))
    ),
    case("logconfig-ini-access", "--access-logfile - --log-config log.ini app:app", files={"log.ini": INI}, keep=("python.log",)),
    case("logconfig-dict", conf=f"logconfig_dict = {DICT}\n", keep=("python.log",)),
    case(
        "logconfig-json",
        "--log-config-json log.json app:app",
        keep=("python.log",),
        files={"log.json": DICT.replace("False", "false").replace("},\n    },", "}\n    }").replace("},\n}", "}\n}")},
    ),
    Case("logs/logconfig-missing", "--log-config nowhere.ini app:app"),
    Case("logs/logconfig-bad", conf="logconfig_dict = {'version': 7}\n"),
    case(
        "logger-class",
        "--access-logfile - --logger-class mine.Mine app:app",
        files={"mine.py": LOGGER},
        ask=(("/healthz",), ("/",)),
    ),
    case(
        "logger-class-in-the-file", "--access-logfile - app:app", LOGGER + "\nlogger_class = Mine\n", ask=(("/healthz",), ("/",))
    ),
    case("logger-class-atoms", "--access-logfile - --access-logformat [%(mine)s] app:app", ATOMS + "\nlogger_class = Mine\n"),
    Case("logs/logger-class-missing", "--logger-class nowhere.Mine app:app"),
    case("application-logging", conf="import logging\nlogging.getLogger('app').warning('not ours')\n"),
    # syslog
    case("syslog", "--log-syslog --log-syslog-to udp://127.0.0.1:{udp} -n named --error-logfile errors app:app", udp=True),
    case("syslog-access", "--access-logfile - --log-syslog --log-syslog-to udp://127.0.0.1:{udp} app:app", udp=True),
    case(
        "syslog-prefix",
        "--log-syslog --log-syslog-prefix pre --log-syslog-facility local3 --log-syslog-to udp://127.0.0.1:{udp} app:app",
        udp=True,
    ),
    case(
        "syslog-no-access",
        "--log-syslog -R --disable-redirect-access-to-syslog --log-syslog-to udp://127.0.0.1:{udp} app:app",
        udp=True,
    ),
    Case("logs/syslog-bad-facility", "--log-syslog --log-syslog-facility nothing --log-syslog-to udp://127.0.0.1:9 app:app"),
    # statsd
    case("statsd", "--statsd-host 127.0.0.1:{statsd} app:app", statsd=True, ask=(("/",), ("/none",), ("/redirect",))),
    case("statsd-prefix", "--statsd-host 127.0.0.1:{statsd} --statsd-prefix site app:app", statsd=True),
    case("statsd-prefix-with-dots", "--statsd-host 127.0.0.1:{statsd} --statsd-prefix site.. app:app", statsd=True),
    case("dogstatsd", "--statsd-host 127.0.0.1:{statsd} --dogstatsd-tags a:b,c:d app:app", statsd=True),
    case("statsd-errors", "--statsd-host 127.0.0.1:{statsd} app:app", statsd=True, ask=(("/raise",),)),
    case(
        "statsd-own-metrics",
        "--statsd-host 127.0.0.1:{statsd} app:app",
        statsd=True,
        conf=(
            "def post_worker_init(worker):\n    worker.log.info('', extra={'metric': 'mine', 'value': 5, 'mtype': 'gauge'})\n"
            "    worker.log.info('said', extra={'metric': 'count', 'value': 2, 'mtype': 'counter'})\n"
        ),
    ),
]
