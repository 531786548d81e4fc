"""The names of gunicorn that configuration files use, provided by gounicorn because gunicorn is not installed."""

version_info = (27, 0, 1)  # whose settings and behaviour are meant
__version__ = ".".join(map(str, version_info))
SERVER = "gunicorn"
SERVER_SOFTWARE = f"{SERVER}/{__version__}"
