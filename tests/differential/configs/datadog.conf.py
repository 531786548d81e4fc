# Datadog: dogstatsd by settings, and a metric of one's own from a hook.
import os

import spy
from datadog import DogStatsd

statsd_host = os.environ["STATSD"]
statsd_prefix = "shop"
dogstatsd_tags = "env:test,service:shop"
bind = "127.0.0.1:0"
workers = 1


def post_fork(server, worker):
    host, port = statsd_host.split(":")
    worker.statsd = DogStatsd(host=host, port=int(port), disable_telemetry=True, disable_buffering=True)


def post_request(worker, req, environ, resp):
    worker.statsd.increment("shop.hooks", tags=[f"status:{resp.status_code}"])
    spy.say("counted")
