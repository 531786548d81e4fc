"""What the hosts share."""

from django.db import models


class Order(models.Model):
    """An order as a client has sent it. Clients choose the number, and with it can ask what became of an order."""

    number = models.CharField(max_length=40, db_index=True)
    # Given by a client that may send the order again: it is taken once. Others have none.
    key = models.CharField(max_length=40, unique=True, null=True)
    taken_by = models.CharField(max_length=40)
    release = models.CharField(max_length=40)
    created = models.DateTimeField(auto_now_add=True)
    packed_by = models.CharField(max_length=40, null=True)


class Sweep(models.Model):
    """A run of the task that beat schedules."""

    sent_by = models.CharField(max_length=40)
    run_by = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now_add=True)
