"""What reaches the logs: a failure, prints to both streams and wsgi.errors, and the id of a request."""

import sys


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/boom":
        raise ValueError("boom")
    if path == "/print":
        print("to stdout", flush=True)
        print("to stderr", file=sys.stderr, flush=True)
        environ["wsgi.errors"].write("to wsgi.errors\n")
        environ["wsgi.errors"].flush()
    body = environ.get("HTTP_X_REQUEST_ID", "none").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("X-Out", 'o"ut')])
    return [body]
