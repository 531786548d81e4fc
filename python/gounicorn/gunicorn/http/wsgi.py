"""gunicorn.http.wsgi."""

from _gounicorn import FileWrapper

from gounicorn._exchange import Response
from gounicorn._names import absent

WITHIN = "the environ of a request is made by the worker; pre_request(worker, req) and post_request(worker, req, environ) see it."

base_environ = absent("gunicorn.http.wsgi.base_environ", WITHIN)
default_environ = absent("gunicorn.http.wsgi.default_environ", WITHIN)
create = absent("gunicorn.http.wsgi.create", WITHIN)

__all__ = ["FileWrapper", "Response", "base_environ", "create", "default_environ"]
