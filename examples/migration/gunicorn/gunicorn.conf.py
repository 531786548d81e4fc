import os

bind = os.environ["SHOP_BIND"]
workers = 2
threads = 2
timeout = 60
max_requests = 1000
max_requests_jitter = 100
accesslog = "-"


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
