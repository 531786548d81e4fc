"""Writes down what happened, where and in which order: one line of JSON per event, appended to the file $SPY."""

import json
import os
import threading

_opened = {}
_lock = threading.Lock()


def say(what, *values):
    """Appends one event; one write, so that lines of several processes do not mix."""
    pid = os.getpid()
    with _lock:
        if pid not in _opened:
            _opened[pid] = os.open(os.environ["SPY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        line = json.dumps([pid, os.getppid(), what, *map(str, values)])
        os.write(_opened[pid], line.encode() + b"\n")
