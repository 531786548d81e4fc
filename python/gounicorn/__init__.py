"""gounicorn: a pre-forking WSGI server for any Python web application."""

__version__ = "0.1.0"
