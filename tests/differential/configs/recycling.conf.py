# Leaks are lived with: each worker takes a number of requests and goes.
import spy

bind = "127.0.0.1:0"
workers = 1
max_requests = 3
max_requests_jitter = 0
timeout = 30
graceful_timeout = 20


def post_worker_init(worker):
    spy.say("worker", worker.age)


def child_exit(server, worker):
    spy.say("recycled", worker.age)
