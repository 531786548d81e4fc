"""Pages that tell which host and which release answered."""

import socket
import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from shop.models import Order
from shop.tasks import pack

HOST = socket.gethostname()


def answer(**more: Any) -> JsonResponse:
    """Return what each answer has, and more."""
    return JsonResponse({"host": HOST, "release": settings.RELEASE, **more})


@require_GET
def page(request: HttpRequest, number: str) -> JsonResponse:
    """Count the visits of a session, which may have been begun on another host."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    cache.set("last", number)
    return answer(
        number=number, visits=request.session["visits"], style=static("shop/site.css"), client=request.META["REMOTE_ADDR"]
    )


@csrf_exempt  # its clients are programs
@require_http_methods(["GET", "POST"])
def order(request: HttpRequest, number: str) -> JsonResponse:
    """Take an order, once if it has an Idempotency-Key, or tell what became of it."""
    if request.method == "GET":
        return answer(number=number, packed_by=list(Order.objects.filter(number=number).values_list("packed_by", flat=True)))
    fields = {"number": number, "taken_by": HOST, "release": settings.RELEASE}
    with transaction.atomic():
        key = request.headers.get("Idempotency-Key")
        taken, created = Order.objects.get_or_create(key=key, defaults=fields) if key else (Order.objects.create(**fields), True)
        transaction.on_commit(lambda: pack.delay(taken.pk))
    time.sleep(min(float(request.GET.get("wait", 0)), 5))  # in the place of a payment, which takes its time
    return answer(number=taken.number, created=created)
