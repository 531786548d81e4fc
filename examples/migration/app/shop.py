"""The application that all the set-ups serve: it says who asked, and how."""


def application(environ, start_response):
    if environ["PATH_INFO"] == "/upload":
        body = b"%d bytes\n" % len(environ["wsgi.input"].read())
    else:
        body = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} over {environ['wsgi.url_scheme']}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
