"""Tasks. Each may run twice, when its host dies at the wrong moment, and has its effect once."""

import socket
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from shop.models import Order, Sweep


@shared_task
def pack(order: int) -> None:
    """Pack an order that is not packed yet."""
    Order.objects.filter(pk=order, packed_by=None).update(packed_by=socket.gethostname())


@shared_task(bind=True)
def sweep(self) -> None:
    """Pack what was forgotten: orders whose host died between the order and the task."""
    host = socket.gethostname()
    Sweep.objects.create(sent_by=self.request.origin.rpartition("@")[2], run_by=host)
    Order.objects.filter(packed_by=None, created__lt=timezone.now() - timedelta(seconds=30)).update(packed_by=host)
