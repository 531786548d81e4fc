"""What there is to see on a dashboard: /slow/SECONDS/..., /raise, and 404 for all but /.

It cannot be loaded while there is a file named by WATCHED_BROKEN.
"""

import os
import time

if os.path.exists(os.environ["WATCHED_BROKEN"]):
    raise RuntimeError("broken by a test")


def app(environ, start_response):
    first, *rest = environ["PATH_INFO"].strip("/").split("/")
    if first == "raise":
        raise ValueError("<b>of a test</b>")
    if first == "slow":
        time.sleep(float(rest[0]))
    status = "200 OK" if first in ("", "slow") else "404 Not Found"
    start_response(status, [("Content-Type", "text/html"), ("Content-Length", "5")])
    return [b"seen\n"]
