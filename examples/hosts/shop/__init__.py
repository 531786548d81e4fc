"""A shop on several hosts: what they share is in PostgreSQL and Redis."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
