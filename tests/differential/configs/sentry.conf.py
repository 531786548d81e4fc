# Sentry's own web process: threads, keep-alive behind a proxy, recycling, one access format.
import sentry_sdk
import spy

bind = ["127.0.0.1:0"]
workers = 1
threads = 4
worker_class = "gthread"
keepalive = 15
max_requests = 100000
max_requests_jitter = 1000
limit_request_line = 0
graceful_timeout = 10
access_log_format = '%({x-forwarded-for}i)s %(l)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
accesslog = "-"


def post_fork(server, worker):
    sentry_sdk.init(dsn=None, release="1.2.3")
    spy.say("post_fork", sentry_sdk.is_initialized())
    server.log.info("Worker spawned (age: %s)", worker.age)
