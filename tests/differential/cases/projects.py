"""Configuration files as real projects write them, unchanged, each with a small application and what its project needs."""

import pathlib

from case import Case

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "configs"
FLASK = """import flask


def create_app(name, debug):
    app = flask.Flask(name)

    @app.get("/")
    def home():
        return f"{name} {debug}"

    return app
"""
PYRAMID = """from pyramid.config import Configurator
from pyramid.response import Response


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.add_route("home", "/")
        config.add_view(lambda request: Response(settings["greeting"]), route_name="home")
        return config.make_wsgi_app()
"""
INI = """[app:main]
use = call:pyramided:main
greeting = hello from Pyramid

[server:main]
use = egg:waitress#main
"""
DJANGO = """import os

from django.conf import settings

settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse(f"Django, secure: {request.is_secure()}"))]
application = get_wsgi_application()
"""


def project(name, args="app:app", asks=(("/",),), workers=1, path=None, then=(), **more):
    def play(run):
        if args == "app:app" and name != "posthog":
            run.settle()
        for ask in asks:
            run.get(*ask, path=path)
        for step in then:
            step(run)

    conf = (FOLDER / f"{name}.conf.py").read_text()
    return Case("configs/" + name, args, conf=conf, play=play, workers=workers, bind=False, alone=True, **more)


def event(what, times=1):
    return lambda run: run.event(what, times)


CASES = [
    project("netbox", workers=2),
    project("airflow", workers=2, then=(event("ready", 2),)),
    project("sentry", asks=(("/", "X-Forwarded-For: 192.0.2.1"), ("/" + "a" * 5000,))),
    project("posthog", workers=2, then=(event("import", 2),), keep=("posthog.log",)),
    project(
        "cookiecutter_django", "web.wsgi:application", (("/",), ("/", "X-Forwarded-Proto: https")),
        files={"web/__init__.py": "", "web/wsgi.py": DJANGO},
    ),
    project("opentelemetry"),
    project("prometheus", asks=(("/",), ("/redirect",))),
    project("newrelic"),
    project("json_log", keep=("lines.log",)),
    project("datadog", statsd=True, env={"STATSD": "127.0.0.1:{statsd}"}, then=(event("counted"),)),
    project("flask_factory", "", files={"flasky.py": FLASK}),
    project("pyramid", "--paste development.ini", files={"pyramided.py": PYRAMID, "development.ini": INI}),
    project("cpu_count", workers=2),
    project("health_filter", asks=(("/healthz",), ("/", "User-Agent: me"))),
    project("recycling", asks=(("/",),) * 4, then=(event("worker", 2), event("recycled"))),
    project(
        "behind_nginx", asks=(("/env?only=wsgi.url_scheme,REMOTE_ADDR", "X-Real-IP: 192.0.2.1", "X-Forwarded-Proto: https"),),
        path="site.sock", keep=("access.log", "error.log", "site.pid"), modes=("site.sock",),
    ),
    project(
        "docker_environment", asks=(("/env?only=wsgi.multithread",),),
        env={"GUNICORN_WORKERS": "1", "GUNICORN_THREADS": "2", "GUNICORN_LOGLEVEL": "info", "GUNICORN_TIMEOUT": "5"},
    ),
    project("structlog", keep=("lines.log",)),
    project("sentry_post_fork", asks=(("/",), ("/raise",)), then=(event("captured"),)),
    project("database_pool", workers=2, then=(event("pool", 2),)),
    project("timeouts_dump", then=(lambda run: run.kill("QUIT"),)),
    project("example_conf"),
    project("base_application"),
]  # fmt: skip
