"""Applications for the tests; the path names what to do."""

import atexit
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

released = queue.SimpleQueue()  # the one that may be used in a signal handler

LIST_DESCRIPTORS = """
import json, os
found = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        pass
print(json.dumps(found))
"""


def release(number, frame):
    released.put("released")


signal.signal(signal.SIGUSR2, release)


def wait():
    print("waiting")
    return released.get(timeout=60)


def stuck_in_c():
    print("stuck")
    ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the GIL


def spin():
    print("spinning")
    while True:
        pass


def crash():
    ctypes.string_at(0)


def where():
    current = threading.current_thread()
    return json.dumps(
        {
            "main": current is threading.main_thread(),
            "process": threading.get_native_id() == os.getpid(),
            "thread": current.name,
            "argv": sys.argv,
            "cwd": os.getcwd(),
            "path": sys.path[:2],
            "given": os.environ.get("GIVEN"),
            "software": os.environ["SERVER_SOFTWARE"],
            "title": open("/proc/self/cmdline", "rb").read().rstrip(b"\0").decode(),
            "oom": int(open("/proc/self/oom_score_adj").read()),
        }
    )


def descriptors():
    child = subprocess.run([sys.executable, "-c", LIST_DESCRIPTORS], stdout=subprocess.PIPE, close_fds=False, check=True)
    return child.stdout.decode()


def leave_late():
    atexit.register(print, "exit function ran")


def leave_thread():
    threading.Thread(target=time.sleep, args=(3600,), name="hanging").start()


def signal_mask():
    return json.dumps(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def child_environment():
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout.decode()


def soft(word, wait):
    from gounicorn import SoftTimeout

    try:
        print(word)
        wait()
    except SoftTimeout as error:
        return f"{type(error).__name__} of {type(error).__module__}"


def hello():
    return f"hello from {os.getpid()}"


PATHS = {
    "/hello": hello,
    "/wait": wait,
    "/stuck": stuck_in_c,
    "/spin": spin,
    "/crash": crash,
    "/where": where,
    "/soft-sleep": lambda: soft("sleeping", lambda: time.sleep(3600)),
    "/soft-spin": lambda: soft("turning", lambda: [None for _ in iter(int, 1)]),
    "/route": hello,
    "/child-environment": child_environment,
    "/signal-mask": signal_mask,
    "/descriptors": descriptors,
    "/exit-function": leave_late,
    "/thread": leave_thread,
}


def application(environ, start_response):
    if environ["PATH_INFO"] == "/route":
        environ["gounicorn.route"] = "a route"
    body = PATHS[environ["PATH_INFO"]]() or ""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]


def factory(name, times=1):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [name.encode() * times]

    return app


not_callable = 3
