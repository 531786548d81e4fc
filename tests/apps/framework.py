"""What the Django, Flask and Pyramid applications have in common, so that one table of tests fits all three."""

import os
import tempfile

import testsync

HOME = "<!doctype html><title>home</title><h1>caf\u00e9</h1>"
FAILURE = "a view that fails on purpose"
FILE_SIZE = 300_000


def events():
    """Server-sent events, each yielded only when the test has seen the one before."""
    for n in range(3):
        yield f"data: {n}\n\n".encode()
        testsync.wait(f"seen-framework-{n}")


def make_file(directory):
    """Writes a file whose byte n is n modulo 251 and returns its name."""
    descriptor, name = tempfile.mkstemp(dir=directory, suffix=".bin")
    with os.fdopen(descriptor, "wb") as file:
        file.write(bytes(n % 251 for n in range(FILE_SIZE)))
    return name
