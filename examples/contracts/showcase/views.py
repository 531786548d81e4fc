"""Views that show how the server behaves."""

import os

from django.conf import settings
from django.db import connection
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe
from registry.models import Contract

from showcase import live as stream

# PDFs that the race page asks for at once.
RACE_PDFS = 10
# Contracts that the live page talks about.
LIVE_CONTRACTS = 50


@require_safe
def race(request: HttpRequest) -> HttpResponse:
    """Ten PDFs at once, beside a clock on the home page."""
    contracts = list(Contract.objects.values("pk", "number")[:RACE_PDFS])
    return render(request, "showcase/race.html", {"contracts": contracts})


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The page that shows the stream."""
    return render(request, "showcase/live.html")


@require_GET
def live_events(request: HttpRequest) -> HttpResponse:
    """Server-sent events, one a second; ``?n=`` says how many."""
    wanted = request.GET.get("n", str(stream.MAX_EVENTS))
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 6):
        return HttpResponseBadRequest("n is a number of events\n", "text/plain")
    contracts = list(Contract.objects.values_list("number", "title")[:LIVE_CONTRACTS])
    # Nothing more is read: a stream of an hour needs no open database.
    connection.close()
    return StreamingHttpResponse(
        stream.events(contracts, min(int(wanted), stream.MAX_EVENTS)),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


@require_safe
def boom(request: HttpRequest) -> HttpResponse:
    """Fails, so that the error log and the Telegram chat have something to show."""
    raise RuntimeError("boom: this view fails on purpose")


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """A word from a worker, without template or database."""
    response = HttpResponse("ok\n", content_type="text/plain")
    response["X-Worker-Pid"] = str(os.getpid())
    if settings.DEMO:
        # See the PDF download: the race page asks which names reach the server.
        response["Access-Control-Allow-Origin"] = "*"
    return response
