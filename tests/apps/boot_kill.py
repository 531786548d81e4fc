"""A module that kills its process while it is imported, except in the first workers, which serve until told to die."""

import os
import signal

import testsync

testsync.mark("boots")
if testsync.count("boots") > int(os.environ.get("GOOD_BOOTS", "0")):
    os.kill(os.getpid(), signal.SIGKILL)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
