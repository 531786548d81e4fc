"""gunicorn.http: the objects that hooks get. Requests are parsed by gounicorn's master."""

from gunicorn.http import errors
from gunicorn.http.message import Message

from gounicorn._exchange import Request

__all__ = ["Message", "Request", "errors"]
