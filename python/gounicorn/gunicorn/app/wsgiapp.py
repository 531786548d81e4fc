"""gunicorn.app.wsgiapp."""

from __future__ import annotations

from gunicorn.app.base import INSTEAD, Application

from gounicorn._names import absent


class WSGIApplication(Application):
    """The application of the command line."""


run = absent("gunicorn.app.wsgiapp.run", INSTEAD)
