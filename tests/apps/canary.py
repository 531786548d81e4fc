"""The application of the oracle (tests/oracle): every answer repeats what only its own request can know.

/nonce/WHAT/NONCE first adds the nonce to the file `started`, so that losses and repetitions can be told apart, then answers with
everything in environ that carries a canary, sorted, one `KEY=VALUE` a line, then an empty line and the body. So a canary of
another request is seen, be it in environ, in the body or in a buffer of the answer. WHAT is `whole`, `pieces` (no length, several
pieces), `written` (by write()), or a number of milliseconds to wait. Any other path is one of faults.py.
"""

import os
import time

import faults
import testsync

CANARY = "canary-"


def app(environ, start_response):
    words = environ["PATH_INFO"].split("/")
    if words[1] != "nonce":
        return faults.app(environ, start_response)
    _, _, what, nonce = words
    _started(nonce)
    if what.isdigit():
        time.sleep(int(what) / 1000)
    seen = sorted(f"{key}={value}" for key, value in environ.items() if isinstance(value, str) and CANARY in value)
    answer = "\n".join([*seen, "", ""]).encode("latin-1") + environ["wsgi.input"].read()
    headers = [("Content-Type", "application/octet-stream"), ("X-Nonce", environ.get("HTTP_X_NONCE", "none"))]
    if what == "pieces":
        start_response("200 OK", headers)
        return (answer[at : at + 1000] for at in range(0, len(answer), 1000))
    if what == "written":
        write = start_response("200 OK", headers)
        write(answer[:100])
        write(answer[100:])
        return []
    start_response("200 OK", [*headers, ("Content-Length", str(len(answer)))])
    return [answer]


def _started(nonce):
    """One write to a file that is opened for appending is whole, whoever else writes and whatever becomes of us afterwards."""
    fd = os.open(os.path.join(testsync.DIRECTORY, "started"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(fd, f"{nonce}\n".encode())
    finally:
        os.close(fd)


application = app
