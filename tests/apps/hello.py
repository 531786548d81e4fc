"""The smallest application: one fixed answer."""

BODY = b"Hello, World!\n"


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]


application = app


def factory(greeting="Hello"):
    """Returns an application; named on the command line as hello:factory('Hi')."""

    def made(environ, start_response):
        body = greeting.encode() + b" from a factory\n"
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return made
