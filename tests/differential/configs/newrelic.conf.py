# New Relic's agent, registered in each worker and given the application; what newrelic-admin does from outside.
import newrelic.agent
import spy

bind = "127.0.0.1:0"
workers = 1


def post_fork(server, worker):
    settings = newrelic.agent.global_settings()
    settings.monitor_mode = False
    settings.developer_mode = True
    settings.app_name = "shop"


def post_worker_init(worker):
    worker.wsgi = newrelic.agent.WSGIApplicationWrapper(worker.wsgi)
    spy.say("wrapped", callable(worker.wsgi))
