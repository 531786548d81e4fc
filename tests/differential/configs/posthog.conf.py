# PostHog-like: metrics of the queue from a thread in the master are left out; multiprocess metrics, JSON log, loud exits.
import json
import logging
import os

import spy

loglevel = "info"
bind = "127.0.0.1:0"
workers = 2
threads = 2
accesslog = None


class JsonFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps({"event": record.getMessage().split(":")[0], "level": record.levelname.lower(), "logger": record.name})


logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "posthog.log", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["file"]},
    "loggers": {"gunicorn.error": {"propagate": False, "handlers": ["file"], "level": "INFO"}},
}


def on_starting(server):
    os.environ["PROMETHEUS_STARTED"] = "1"


def when_ready(server):
    spy.say("when_ready", os.environ["PROMETHEUS_STARTED"])


def worker_exit(server, worker):
    spy.say("worker_exit")
