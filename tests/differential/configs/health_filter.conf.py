# Health checks of Kubernetes stay out of the access log.
import logging

from gunicorn.glogging import Logger


class HealthCheckFilter(logging.Filter):
    def filter(self, record):
        return "GET /healthz" not in record.getMessage()


class FilteredLogger(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        logging.getLogger("gunicorn.access").addFilter(HealthCheckFilter())


bind = "127.0.0.1:0"
workers = 1
accesslog = "-"
access_log_format = '%(m)s %(U)s %(s)s "%(a)s"'
logger_class = FilteredLogger
