"""An application that starts a thread when it is imported."""

import threading

threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]
