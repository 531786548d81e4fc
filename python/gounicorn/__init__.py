"""gounicorn: a pre-forking WSGI server for any Python web application.

`gounicorn.run` serves an application from a script; see gounicorn._launcher.run.
"""

__all__ = ["SoftTimeout", "run"]
__version__ = "0.1.0"


class SoftTimeout(Exception):  # noqa: N818 - a limit, as TimeoutError is no error of the program
    """Raised in a request that has run longer than --soft-timeout, once, wherever it is at that moment."""


def __getattr__(name: str) -> object:
    if name == "run":  # workers never need it, nor the modules that it imports
        from gounicorn._launcher import run

        return run
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
