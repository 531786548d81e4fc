"""Views that show how the server behaves."""

import os
import zlib

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST, require_safe
from registry import pdf, scanner
from registry.models import Contract

from showcase import live as stream

# PDFs that the race page asks for at once.
RACE_PDFS = 10
# Contracts that the live page talks about.
LIVE_CONTRACTS = 50
# What /megabyte answers: every byte value in turn, so that a shifted answer shows.
MEGABYTE = bytes(range(256)) * 4096
# An upload is read in pieces of this size, so that it never is in memory as a whole.
UPLOAD_PIECE = 256 * 1024


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


@require_safe
def report(request: HttpRequest, name: str) -> HttpResponse:
    """The first contract's PDF under any name: CPU, at an address that no request may have had before."""
    found = get_object_or_404(_first().prefetch_related("items"))
    return HttpResponse(pdf.render(found, request.build_absolute_uri()), content_type="application/pdf")


@require_safe
def survey(request: HttpRequest, name: str) -> JsonResponse:
    """The first contract's scan under any name: waiting, at an address that no request may have had before."""
    found = scanner.scan(get_object_or_404(_first()))
    return JsonResponse({"name": name, "findings": {each.subject: each.verdict for each in found.findings}})


def _first() -> QuerySet[Contract]:
    return Contract.objects.select_related("customer").order_by("pk")[:1]


@require_safe
def megabyte(request: HttpRequest) -> HttpResponse:
    """A large answer that costs the application nothing."""
    return HttpResponse(MEGABYTE, content_type="application/octet-stream")


@csrf_exempt
@require_POST
def digest(request: HttpRequest) -> JsonResponse:
    """Length and CRC-32 of the request's body, however large: did all of it arrive?"""
    length = crc = 0
    while piece := request.read(UPLOAD_PIECE):
        length += len(piece)
        crc = zlib.crc32(piece, crc)
    return JsonResponse({"bytes": length, "crc32": crc})
