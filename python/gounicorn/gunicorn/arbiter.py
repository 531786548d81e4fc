"""gunicorn.arbiter."""

from gounicorn._objects import Server as Arbiter

__all__ = ["Arbiter"]
