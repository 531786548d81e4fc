"""The names of routes, of real frameworks, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CALL = """
import io, sys
sys.path[:0] = {paths!r}
from gounicorn import _apploader, _routes
app = _apploader.load({spec!r})
_routes.watch()  # a second time makes no difference
for path in {requests!r}:
    environ = {{
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "", "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr, "wsgi.version": (1, 0), "wsgi.multithread": False,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }}
    status = []
    result = app(environ, lambda line, headers, exc_info=None: status.append(line))
    b"".join(result)
    print(status[0][:3], environ.get("gounicorn.route"))
"""


def names(spec: str, *requests: str, path: Path = ROOT / "tests" / "apps", before: str = "") -> list[str]:
    code = before + CALL.format(paths=[str(path), str(ROOT / "python")], spec=spec, requests=requests)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


WANT = {
    "django_app:app": ["200 /", "200 echo/<str:word>", "404 None"],
    "flask_app:app": ["200 /", "200 /echo/<word>", "404 None"],
    "pyramid_app:app": ["200 /", "200 /echo/{word}", "404 None"],
    "hello:app": ["200 None", "200 None", "200 None"],
}


@pytest.mark.parametrize("spec", WANT)
def test_routes_are_named_as_the_framework_does(spec):
    assert names(spec, "/", "/echo/word", "/nowhere") == WANT[spec]


NESTED = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path, re_path

settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
view = lambda request, **kwargs: HttpResponse("ok")
urlpatterns = [
    path("contract/", include([path("<int:pk>/download", view), re_path(r"^(?P<year>[0-9]+)/$", view)])),
]
app = get_wsgi_application()
"""


def test_included_routes_of_django(tmp_path):
    (tmp_path / "nested.py").write_text(NESTED)
    got = names("nested:app", "/contract/7/download", "/contract/8/download", "/contract/1999/", path=tmp_path)
    assert got == ["200 contract/<int:pk>/download", "200 contract/<int:pk>/download", "200 contract/(?P<year>[0-9]+)/$"]


OTHER = """
class BaseHandler:
    resolve_request = 5
class RequestContext:
    def match_request(self): return "of its own"
"""


def test_a_framework_of_another_shape_is_left_alone(tmp_path):
    before = f"""
import sys, types
for name in ("django.core.handlers.base", "flask.ctx", "pyramid.urldispatch"):
    sys.modules[name] = types.ModuleType(name)
    exec({OTHER!r}, vars(sys.modules[name]))
"""
    (tmp_path / "other.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [sys.modules['flask.ctx'].RequestContext().match_request().encode()]\n"
    )
    assert names("other:app", "/", path=tmp_path, before=before) == ["200 None"]
