# Errors of the application go to sentry-sdk, set up in each worker; here they go to the journal of the test.
import sentry_sdk
import spy
from sentry_sdk.transport import Transport


class Journal(Transport):
    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event and "exception" in event:
            spy.say("captured", event["exception"]["values"][-1]["type"])


bind = "127.0.0.1:0"
workers = 1
preload_app = True


def post_fork(server, worker):
    sentry_sdk.init(dsn="http://key@localhost/1", transport=Journal, default_integrations=False)


def post_worker_init(worker):
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    worker.wsgi = SentryWsgiMiddleware(worker.wsgi)
