"""A Django project whose answers speak to the server: files by name and by descriptor, answers to keep and to compress."""

import os

import testsync
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    DEBUG=False,
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=[],
    LOGGING_CONFIG=None,
)

FOLDER = os.environ["GOUNICORN_TEST_DIR"]


def fields(request, response):
    """Adds the fields that the query asks for."""
    for name, value in request.GET.items():
        if name == "status":
            response.status_code = int(value)
        elif value:
            response[name] = value
        else:
            del response[name]
    return response


def file(request, name):
    return fields(request, FileResponse(open(os.path.join(FOLDER, name), "rb")))


@csrf_exempt
def answer(request):
    return fields(request, HttpResponse("from the application", content_type="text/plain"))


def text(request):
    return fields(request, HttpResponse("compressible text; " * 500, content_type="text/html"))


def pieces(request):
    def body():
        yield "first\n"
        testsync.gate("pieces")
        yield "second\n"

    return fields(request, StreamingHttpResponse(body(), content_type="text/html"))


def run(request, name):
    """Counts its runs, and waits until the test lets it go on."""
    testsync.mark("runs-" + name)
    if "gate" in request.GET:
        testsync.gate("go-" + request.GET["gate"])
    response = HttpResponse(f"run {testsync.count('runs-' + name)}", content_type="text/plain")
    for key, value in request.GET.items():
        if key != "gate":
            response[key] = value
    return response


urlpatterns = [
    re_path(r"^file/(?P<name>[^/]+)$", file),
    path("answer", answer),
    path("text", text),
    path("pieces", pieces),
    re_path(r"^kept/(?P<name>[^/]+)$", run),
]
app = get_wsgi_application()
