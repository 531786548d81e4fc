"""The framework application as a Django project in one file."""

import hashlib
import os
import tempfile

import framework
import testsync
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    DEBUG=False,
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=[],
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
    },
)


def home(request):
    return HttpResponse(framework.HOME)


def gate(request, name):
    testsync.gate(name)
    return HttpResponse("passed", content_type="text/plain")


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest.hexdigest(), "note": request.POST["note"]})


def stream(request):
    return StreamingHttpResponse(framework.events(), content_type="text/event-stream")


def file(request):
    name = framework.make_file(tempfile.gettempdir())
    opened = open(name, "rb")  # noqa: SIM115 - the response closes it
    os.unlink(name)
    return FileResponse(opened, content_type="application/octet-stream")


def error(request):
    raise RuntimeError(framework.FAILURE)


@csrf_exempt
def echo(request, word):
    return JsonResponse(
        {
            "method": request.method,
            "word": word,
            "query": request.GET.getlist("q"),
            "header": request.headers.get("X-Test"),
            "body": request.body.decode(),
            "url": request.build_absolute_uri(request.path),
        }
    )


def cookies(request):
    response = HttpResponse("cookies")
    response.set_cookie("one", "1")
    response.set_cookie("two", request.COOKIES.get("in", "none"))
    return response


def redirect(request):
    return HttpResponseRedirect("/")


def early(request):
    request.environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload; as=style")])
    return HttpResponse("after hints")


def no_content(request):
    return HttpResponse(status=204)


urlpatterns = [
    path("", home),
    path("gate/<str:name>", gate),
    path("upload", upload),
    path("stream", stream),
    path("file", file),
    path("error", error),
    path("echo/<str:word>", echo),
    path("cookies", cookies),
    path("redirect", redirect),
    path("early", early),
    path("no-content", no_content),
]

app = get_wsgi_application()
