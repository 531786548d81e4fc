"""gounicorn: a pre-forking WSGI server for any Python web application."""

__version__ = "0.1.0"


class SoftTimeout(Exception):  # noqa: N818 - a limit, as TimeoutError is no error of the program
    """Raised in a request that has run longer than --soft-timeout, once, wherever it is at that moment."""
