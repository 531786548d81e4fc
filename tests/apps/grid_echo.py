"""Remembers what each connection asked for, by the client's port; /grid/seen tells it as JSON, once: a port may come again."""

import hashlib
import json

SEEN = {}


def app(environ, start_response):
    if environ["PATH_INFO"] == "/grid/seen":
        answer = json.dumps(SEEN).encode()
        SEEN.clear()
    else:
        try:
            body = hashlib.sha256(environ["wsgi.input"].read()).hexdigest()
        except Exception as error:  # whatever a server raises for a body that is malformed or incomplete
            body = f"incomplete: {type(error).__name__}"
        request = {"method": environ["REQUEST_METHOD"], "target": environ["RAW_URI"], "body": body}
        SEEN.setdefault(environ["REMOTE_PORT"], []).append(request)
        answer = b"ok"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
