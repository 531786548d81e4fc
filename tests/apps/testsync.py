"""How an application under test and its test tell each other where they are: files in one directory.

The harness names the directory in GOUNICORN_TEST_DIR. A file's existence is the event.
"""

import os
import time

DIRECTORY = os.environ.get("GOUNICORN_TEST_DIR", "")


def mark(name, text=""):
    """Tells the test that `name` happened; each call adds one line to the file of that name."""
    if not DIRECTORY:
        return
    with open(os.path.join(DIRECTORY, name), "a", encoding="utf-8") as file:
        file.write(f"{text or os.getpid()}\n")


def count(name):
    """How often `name` has been marked, by any process."""
    try:
        with open(os.path.join(DIRECTORY, name), encoding="utf-8") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


def wait(name, seconds=60):
    """Returns once the test (or another process) has marked `name`."""
    end = time.monotonic() + seconds
    while not os.path.exists(os.path.join(DIRECTORY, name)):
        if time.monotonic() > end:
            raise TimeoutError(f"nobody marked {name!r} in {seconds} s")
        time.sleep(0.005)


def gate(name):
    """Marks `entered-NAME`, then waits for `open-NAME`."""
    mark(f"entered-{name}")
    wait(f"open-{name}")
