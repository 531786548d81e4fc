"""gunicorn.http.message."""

from gounicorn._exchange import Request

Message = Request

__all__ = ["Message", "Request"]
