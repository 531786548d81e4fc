"""The framework application in Pyramid."""

import hashlib
import logging
import os
import tempfile

import framework
import testsync
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import FileResponse, Response

logging.basicConfig()


def home(request):
    return Response(framework.HOME)


def gate(request):
    testsync.gate(request.matchdict["name"])
    return Response("passed", content_type="text/plain")


def upload(request):
    field = request.POST["file"]
    content = field.file.read()
    digest = hashlib.sha256(content).hexdigest()
    return Response(json_body={"name": field.filename, "size": len(content), "sha256": digest, "note": request.POST["note"]})


def stream(request):
    return Response(app_iter=framework.events(), content_type="text/event-stream")


def file(request):
    name = framework.make_file(tempfile.gettempdir())
    response = FileResponse(name, request=request, content_type="application/octet-stream")
    os.unlink(name)
    return response


def error(request):
    raise RuntimeError(framework.FAILURE)


def echo(request):
    return Response(
        json_body={
            "method": request.method,
            "word": request.matchdict["word"],
            "query": request.GET.getall("q"),
            "header": request.headers.get("X-Test"),
            "body": request.body.decode(),
            "url": request.path_url,
        }
    )


def cookies(request):
    response = Response("cookies")
    response.set_cookie("one", "1")
    response.set_cookie("two", request.cookies.get("in", "none"))
    return response


def redirect(request):
    return HTTPFound("/")


def no_content(request):
    return Response(status=204)


def _routes():
    return {
        "home": ("/", home),
        "gate": ("/gate/{name}", gate),
        "upload": ("/upload", upload),
        "stream": ("/stream", stream),
        "file": ("/file", file),
        "error": ("/error", error),
        "echo": ("/echo/{word}", echo),
        "cookies": ("/cookies", cookies),
        "redirect": ("/redirect", redirect),
        "no-content": ("/no-content", no_content),
    }


with Configurator() as config:
    for route, (pattern, view) in _routes().items():
        config.add_route(route, pattern)
        config.add_view(view, route_name=route)
    app = config.make_wsgi_app()
