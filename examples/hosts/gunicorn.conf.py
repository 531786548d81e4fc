"""How each host serves the shop: gounicorn -c /srv/shop/current/gunicorn.conf.py shop.wsgi."""

import os

# /srv/shop/current is a link to the release. A process stays with the folder that it was started in, also when the link has
# moved on: what it imports late is its own code.
chdir = os.path.dirname(os.path.realpath(__file__))
bind = "0.0.0.0:8000"
workers = 2
threads = 2
preload_app = True

# HAProxy is the only client, and says who its client was.
forwarded_allow_ips = "10.0.0.10"
gounicorn_proxy_hops = 1

# After TERM /readyz is 503 and all else goes on: twice the second that HAProxy needs to notice.
gounicorn_drain_delay = 2
graceful_timeout = 20

companions = {
    # Queues and takes tasks on every host. A reload has to restart it: it would run the old code.
    "worker": {"command": "celery -A shop worker -l WARNING -P threads -c 2", "stopwaitsecs": 30, "reload": "restart"},
    # Runs on every host, schedules on one: the others wait for its lock in Redis.
    "beat": {"command": "celery -A shop beat -l WARNING -S redbeat.RedBeatScheduler --pidfile=", "reload": "restart"},
}
