# structlog formats what gunicorn logs through the standard library.
import structlog

shared = [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name]
bind = "127.0.0.1:0"
workers = 1
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.KeyValueRenderer(key_order=["logger", "level", "event"]),
            "foreign_pre_chain": shared,
        }
    },
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "lines.log", "formatter": "structured"}},
    "root": {"level": "INFO", "handlers": []},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": ["file"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False},
    },
}
