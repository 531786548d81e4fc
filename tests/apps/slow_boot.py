"""A module whose import waits for the test."""

import testsync

testsync.gate("boot")


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"booted\n"]
