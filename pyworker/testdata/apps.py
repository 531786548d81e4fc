"""Applications for the tests; the path names what to do."""

import atexit
import ctypes
import json
import os
import signal
import sys
import threading
import time

release = threading.Event()


def application(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/hello":
        return [f"hello from {os.getpid()}".encode()]
    if path == "/where":
        main = threading.current_thread() is threading.main_thread()
        return [json.dumps({"main": main, "pid": os.getpid(), "argv": sys.argv, "software": os.environ["SERVER_SOFTWARE"]}).encode()]
    if path == "/fds":
        open_fds = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}
        return [json.dumps(open_fds).encode()]
    if path == "/print":
        print("printed by the application")
        return [b"done"]
    if path == "/wait":
        release.wait(30)
        return [b"released"]
    if path == "/release":
        release.set()
        return [b"done"]
    if path == "/stuck":
        stuck_in_c()
    if path == "/spin":
        spin()
    if path == "/atexit":
        atexit.register(print, "exit function ran", flush=True)
        return [b"done"]
    if path == "/thread-hangs":
        threading.Thread(target=time.sleep, args=(3600,), name="hanging").start()
        return [b"done"]
    if path == "/segv":
        ctypes.string_at(0)
    if path == "/handler":
        signal.signal(signal.SIGUSR2, lambda number, frame: print("signal handled", flush=True))
        return [b"done"]
    return [b"unknown path"]


def stuck_in_c():
    ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the GIL


def spin():
    while True:
        pass


def factory(name, times=1):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [name.encode() * times]

    return app


not_callable = 3
