# The recipe of OpenTelemetry's own documentation: exporters have threads, so they are made after the fork.
import spy
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

bind = "127.0.0.1:0"
workers = 1


class Exporter(SpanExporter):
    def export(self, spans):
        for span in spans:
            spy.say("span", span.name, span.resource.attributes["worker"])
        return SpanExportResult.SUCCESS


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
    resource = Resource.create(attributes={"service.name": "api", "worker": worker.age})
    trace.set_tracer_provider(TracerProvider(resource=resource))
    trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(Exporter()))


def pre_request(worker, req):
    worker.span = trace.get_tracer(__name__).start_span(f"{req.method} {req.path}")


def post_request(worker, req, environ, resp):
    worker.span.end()


def worker_exit(server, worker):
    trace.get_tracer_provider().shutdown()
