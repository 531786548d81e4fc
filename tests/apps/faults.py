"""One application whose path names the fault: /segv, /exit/3, /spin, /wrong-cl/+1 ...

/caught/FAULT runs a start_response fault, catches what start_response raises and answers with its type.
The table FAULTS at the end of each half is the list of what there is.
"""

import ctypes
import os
import signal
import sys
import threading
import time
import traceback

import faults_responses
import testsync


def _plain(start_response, body=b"fine\n", exc_info=None):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))], exc_info)
    return [body]


# Faults that end or block the process.


def segv(environ, start_response, *args):
    ctypes.string_at(0)


def abort(environ, start_response, *args):
    os.abort()


def exit_process(environ, start_response, code="0"):
    os._exit(int(code))


def kill_self(environ, start_response, *args):
    os.kill(os.getpid(), signal.SIGKILL)


def stop_self(environ, start_response, *args):
    os.kill(os.getpid(), signal.SIGSTOP)
    return _plain(start_response)


def die_once(environ, start_response, token="token"):
    """The first attempt kills its worker, later ones answer with the number of the attempt."""
    testsync.mark(f"attempts-{token}")
    attempts = testsync.count(f"attempts-{token}")
    if attempts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return _plain(start_response, f"attempt {attempts}\n".encode())


def die_always(environ, start_response, token="token"):
    testsync.mark(f"attempts-{token}")
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_first_piece(environ, start_response, token="token"):
    testsync.mark(f"attempts-{token}")
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    yield b"first\n"
    testsync.wait(f"die-{token}")
    os.kill(os.getpid(), signal.SIGKILL)


def spin(environ, start_response, *args):
    testsync.mark("spinning")
    _spin_forever_for_the_stack_dump()


def _spin_forever_for_the_stack_dump():
    while True:
        pass


def gil_sleep(environ, start_response, seconds="3600"):
    """Sleeps in C without giving the GIL away, as a bad extension would."""
    testsync.mark("holding-the-gil")
    ctypes.PyDLL(None).sleep(int(seconds))
    return _plain(start_response)


def sleep(environ, start_response, seconds="1"):
    testsync.mark("sleeping")
    time.sleep(float(seconds))
    return _plain(start_response, b"slept\n")


def gate(environ, start_response, name="gate"):
    """Waits until the test opens the gate."""
    testsync.gate(name)
    return _plain(start_response, f"gate {name} passed in {os.getpid()}\n".encode())


def block(environ, start_response, name="block"):
    """Waits without doing anything until the test opens the FIFO, and for so long that it is known to be slow."""
    testsync.mark(f"entered-{name}")
    time.sleep(0.3)
    os.close(os.open(os.path.join(testsync.DIRECTORY, f"fifo-{name}"), os.O_RDONLY))
    return _plain(start_response)


def deadlock(environ, start_response, *args):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def recursion(environ, start_response, *args):
    def deeper(n):
        return deeper(n + 1) + 1

    return deeper(0)


def deep_recursion(environ, start_response, *args):
    sys.setrecursionlimit(10**9)

    class Deep:
        def __repr__(self):
            return repr(self)

    return _plain(start_response, repr(Deep()).encode())


# Faults that change the process around the request.


def fork(environ, start_response, *args):
    """The child returns into the server loop; it must not answer and must not serve."""
    pid = os.fork()
    if pid == 0:
        testsync.mark("forked-child")
        return _plain(start_response, b"child\n")
    testsync.mark("forked-parent")
    os.waitpid(pid, 0)
    return _plain(start_response, b"parent\n")


def fork_exec(environ, start_response, *args):
    """Starts a long-lived grandchild that holds stdout and whatever descriptors leak into it."""
    import subprocess

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], close_fds=False)
    testsync.mark("grandchild", str(child.pid))
    inherited = sorted(int(fd) for fd in os.listdir(f"/proc/{child.pid}/fd"))
    return _plain(start_response, (" ".join(map(str, inherited)) + "\n").encode())


def subprocess_run(environ, start_response, *args):
    import subprocess

    done = subprocess.run([sys.executable, "-c", "print('from a child')"], capture_output=True, check=True)
    return _plain(start_response, done.stdout)


def multiprocess(environ, start_response, method="fork"):
    import multiprocessing

    with multiprocessing.get_context(method).Pool(2) as pool:
        return _plain(start_response, str(pool.map(abs, [-1, -2, -3])).encode())


def sysexit(environ, start_response, code="3"):
    sys.exit(int(code))


def kbdint(environ, start_response, *args):
    raise KeyboardInterrupt


def genexit(environ, start_response, *args):
    raise GeneratorExit


def close_fds(environ, start_response, *args):
    os.closerange(3, 1000)
    return _plain(start_response)


def close_stdio(environ, start_response, *args):
    for fd in (0, 1, 2):
        os.close(fd)
    return _plain(start_response)


def garbage_to_fd(environ, start_response, *args):
    """Writes rubbish to every socket of the process, the server's own ones among them."""
    import socket

    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as sock:
                    sock.setblocking(False)
                    sock.send(b"HTTP/1.1 200 OK\r\n\r\nrubbish" * 10)
        except OSError:
            continue
    return _plain(start_response)


def thread_left_running(environ, start_response, kind="daemon"):
    thread = threading.Thread(target=time.sleep, args=(3600,), daemon=kind == "daemon")
    thread.start()
    return _plain(start_response)


def atexit_hang(environ, start_response, *args):
    import atexit

    atexit.register(time.sleep, 3600)
    return _plain(start_response)


def atexit_mark(environ, start_response, *args):
    import atexit

    atexit.register(testsync.mark, "atexit")
    return _plain(start_response)


def chdir(environ, start_response, *args):
    os.chdir("/")
    return _plain(start_response)


def umask(environ, start_response, *args):
    os.umask(0o777)
    return _plain(start_response)


def scribble(environ, start_response, *args):
    """Writes rubbish into every descriptor of the process that takes it, shared memory included, from its beginning."""
    import fcntl

    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd <= 2 or fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                continue
            os.set_blocking(fd, False)
            os.write(fd, b"\xff" * 4096)
            os.pwrite(fd, b"\xff" * 4096, 0)
        except OSError:
            continue
    return _plain(start_response)


def use_locale(environ, start_response, *args):
    import locale

    locale.setlocale(locale.LC_ALL, "C")
    os.environ["LANG"] = os.environ["TZ"] = "nonsense"
    time.tzset()
    return _plain(start_response)


def fill_descriptors(environ, start_response, *args):
    """Takes every descriptor that the process may have, for good."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            os.dup(2)
    except OSError as error:
        return _plain(start_response, f"{error.strerror}\n".encode())


def eat_memory(environ, start_response, mib="1024"):
    """Takes memory in small pieces and keeps it, as a leak does."""
    kept = []
    for _ in range(int(mib)):
        kept.append(b"x" * (1 << 20))
    return _plain(start_response, f"{len(kept)} MiB\n".encode())


def body_length(environ, start_response, *args):
    """How much of the body the application can read."""
    return _plain(start_response, str(len(environ["wsgi.input"].read())).encode())


def clock(environ, start_response, *args):
    """What the wall clock says, in seconds since 1970."""
    return _plain(start_response, f"{time.time():.0f}".encode())


def print_long(environ, start_response, size="1048576"):
    """One very long line, with what must not reach a log as it is, on standard error and by way of the log."""
    sys.stderr.write("long\x1b[2J" + "l" * int(size) + "\n")
    sys.stderr.flush()
    return _plain(start_response)


def signals_ignored(environ, start_response, *args):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return _plain(start_response)


def stdout_replaced(environ, start_response, *args):
    sys.stdout = sys.stderr = None
    return _plain(start_response)


def limit_memory(environ, start_response, *args):
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (256 << 20, before[1]))
    try:
        return [b"x" * (1 << 30)]
    finally:  # or it would be a matter of chance which later request finds too little
        resource.setrlimit(resource.RLIMIT_AS, before)


# What the process is like.


def pid(environ, start_response, *args):
    return _plain(start_response, str(os.getpid()).encode())


def main_thread(environ, start_response, *args):
    is_main = threading.current_thread() is threading.main_thread()
    try:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        handlers = True
    except ValueError:
        handlers = False
    return _plain(start_response, f"main_thread={is_main} handlers={handlers}\n".encode())


_LOCAL = threading.local()


def thread_local(environ, start_response, *args):
    """How many requests this thread has served, counted in a thread-local."""
    _LOCAL.count = getattr(_LOCAL, "count", 0) + 1
    body = f"{os.getpid()} {threading.get_ident()} {_LOCAL.count} {threading.current_thread().name}\n"
    return _plain(start_response, body.encode())


def thread_dies(environ, start_response, *args):
    """Registers a thread-local whose destruction is an event: it must not happen while the worker serves."""

    class Connection:
        def __del__(self):
            testsync.mark("thread-local-destroyed")

    if not hasattr(_LOCAL, "connection"):
        _LOCAL.connection = Connection()
        testsync.mark("thread-local-made")
    return _plain(start_response, str(threading.get_ident()).encode())


def stderr_print(environ, start_response, text="text"):
    print(f"printed-to-stderr {text}", file=sys.stderr)
    print(f"printed-to-errors {text}", file=environ["wsgi.errors"])
    environ["wsgi.errors"].flush()
    print(f"printed-to-stdout {text}", flush=True)
    return _plain(start_response)


def log_lines(environ, start_response, token="token", count="100"):
    """Writes `count` long lines in two pieces each, as print() does, to show that lines are not mixed."""
    import logging

    logger = logging.getLogger("tests.lines")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
        logger.propagate = False
    filler = "x" * 300
    for n in range(int(count)):
        print(f"line {token} {n} {filler} end", file=sys.stderr)
        logger.info("logged %s %d %s end", token, n, filler)
    return _plain(start_response)


def fail(environ, start_response, *args):
    try:
        raise LookupError("the inner reason")
    except LookupError as error:
        raise RuntimeError("a failure with a name of its own") from error


def stacks(environ, start_response, *args):
    body = "".join(traceback.format_stack())
    return _plain(start_response, body.encode())


FAULTS = {
    "segv": segv,
    "abort": abort,
    "exit": exit_process,
    "kill9": kill_self,
    "stop": stop_self,
    "block": block,
    "die-once": die_once,
    "die-always": die_always,
    "die-after-first-piece": die_after_first_piece,
    "spin": spin,
    "gil-sleep": gil_sleep,
    "sleep": sleep,
    "gate": gate,
    "deadlock": deadlock,
    "recursion": recursion,
    "deep-recursion": deep_recursion,
    "fork": fork,
    "fork-exec": fork_exec,
    "subprocess": subprocess_run,
    "multiprocessing": multiprocess,
    "sysexit": sysexit,
    "kbdint": kbdint,
    "genexit": genexit,
    "close-fds": close_fds,
    "close-stdio": close_stdio,
    "garbage-to-fd": garbage_to_fd,
    "thread-left-running": thread_left_running,
    "atexit-hang": atexit_hang,
    "atexit-mark": atexit_mark,
    "chdir": chdir,
    "umask": umask,
    "scribble": scribble,
    "locale": use_locale,
    "fill-descriptors": fill_descriptors,
    "eat-memory": eat_memory,
    "body-length": body_length,
    "print-long": print_long,
    "clock": clock,
    "signals-ignored": signals_ignored,
    "stdout-replaced": stdout_replaced,
    "limit-memory": limit_memory,
    "pid": pid,
    "main-thread": main_thread,
    "thread-local": thread_local,
    "thread-dies": thread_dies,
    "stderr-print": stderr_print,
    "log-lines": log_lines,
    "fail": fail,
    "stacks": stacks,
    **faults_responses.FAULTS,
}


def app(environ, start_response):
    name, *args = environ["PATH_INFO"].strip("/").split("/")
    if name == "caught":
        return _caught(environ, start_response, *args)
    fault = FAULTS.get(name)
    if fault is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such fault\n"]
    return fault(environ, start_response, *args)


def _caught(environ, start_response, name, *args):
    try:
        FAULTS[name](environ, start_response, *args)
    except Exception as error:
        return _plain(start_response, f"{type(error).__name__}: {error}\n".encode("ascii", "backslashreplace"), sys.exc_info())
    return [b"nothing was raised\n"]


application = app
