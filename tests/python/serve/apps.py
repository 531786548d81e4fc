"""Applications: one per behaviour that the tests look at. Most look at PATH_INFO for what to do."""

import fcntl
import gc
import io
import json
import os
import signal
import socket as sockets
import sys
import tempfile
import termios
import threading
import time
import weakref

THREADS: list = []
KEPT: list = []  # what an application keeps beyond its request


class SoftTimeout(Exception):  # noqa: N818 - the name of gounicorn's
    pass


CLOSED: list = []  # names of iterables whose close() was called


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "14")])
    return [b"Hello, World!\n"]


def answer(start_response, value):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


def environ_dump(environ, start_response):
    """The environ as pairs of repr, and its type."""
    plain = {k: [type(v).__name__, repr(v) if k not in ("wsgi.errors", "wsgi.input") else ""] for k, v in environ.items()}
    environ["leak"] = "of an earlier request"
    environ.pop("wsgi.version")
    return answer(start_response, {"type": type(environ).__name__, "environ": plain})


def keep(environ, start_response):
    """Keeps everything of the first request, and uses it in the second."""
    if not KEPT:
        write = start_response("200 OK", [])
        KEPT.extend([environ, start_response, write, environ["wsgi.input"].readline()])
        return [b"kept"]
    old, start, write, line = KEPT
    results = {
        "old": old["PATH_INFO"],
        "line": line.decode(),
        "read": old["wsgi.input"].read().decode(),
        "next": list(old["wsgi.input"]),
    }
    for name, call in {"start": lambda: start("500 No", []), "write": lambda: write(b"x")}.items():
        try:
            call()
        except RuntimeError as e:
            results[name] = str(e)
    old["wsgi.early_hints"]([("Link", "</x>")])
    return answer(start_response, results)


def body(environ, start_response):
    """Reads the body as QUERY_STRING says: a Python expression with f."""
    f = environ["wsgi.input"]
    try:
        value = eval(environ["QUERY_STRING"].replace("%20", " "), {"f": f, "list": list, "len": len})
    except Exception as e:
        value = f"{type(e).__name__}: {e}"
    return answer(start_response, repr(value))


def body_hash(environ, start_response):
    import hashlib

    digest, total = hashlib.sha256(), 0
    size = int(environ["QUERY_STRING"] or 65536)
    while block := environ["wsgi.input"].read(size):
        digest.update(block)
        total += len(block)
    return answer(start_response, [total, digest.hexdigest()])


def start_with(environ, start_response):
    """Calls start_response with the arguments in QUERY_STRING, a Python expression; answers with the exception."""
    arguments = eval(environ["QUERY_STRING"])
    try:
        start_response(*arguments)
    except Exception as e:
        start_response("200 OK", [("Raised", f"{type(e).__name__}: {e}")])
    return [b"body"]


def start_uncaught(environ, start_response):
    start_response(*eval(environ["QUERY_STRING"]))
    return [b"body"]


class Closing:
    """An iterable that notes its close()."""

    def __init__(self, items, name="closing", error=None):
        self.items, self.name, self.error = items, name, error

    def __iter__(self):
        return iter(self.items)

    def close(self):
        CLOSED.append(self.name)
        if self.error:
            raise self.error


def closed(environ, start_response):
    """What was closed since the last question."""
    names, CLOSED[:] = list(CLOSED), []
    return answer(start_response, [names, repr(sys.exc_info())])


def generator(environ, start_response, headers=()):
    start_response("200 OK", list(headers))
    yield b""
    yield b"one,"
    yield b""
    yield b"two,"
    yield b"three"


def late(environ, start_response):
    yield b""
    start_response("201 Created", [("Late", "yes")])
    yield b"late"


def start_twice(environ, start_response, sent):
    start_response("200 OK", [("First", "1")])
    if sent:
        yield b"first"
    try:
        raise ValueError("the view failed")
    except ValueError:
        start_response("500 Oops", [("Second", "2")], sys.exc_info())
    yield b"second"


def big(size):
    return [bytes([65 + i % 26]) * 1000 for i in range(size // 1000)]


def count(size):
    """Bytes of which no two neighbouring 251 are the same."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def raise_in(environ, start_response, where):
    start_response("200 OK", [])
    if where == "second":
        yield b"one"
    raise ValueError("text with \udc80 surrogate and \u20ac")


def raiser(error):
    raise error


def write_app(environ, start_response):
    write = start_response("200 OK", [])
    write(b"")
    write(b"written,")
    write(b"twice,")
    return [b"returned"]


def write_bad(environ, start_response):
    write = start_response("200 OK", [])
    try:
        write("text")
    except TypeError as e:
        write(str(e).encode())
    return []


def recurse(environ, start_response):
    return recurse(environ, start_response)


def memory(environ, start_response):
    return [b"x" * (1 << 62)]


def wrapper(environ, start_response, file, headers=()):
    start_response("200 OK", list(headers))
    return environ["wsgi.file_wrapper"](file)


def temp(content=b"0123456789", position=0):
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
    file.write(content)
    file.seek(position)
    return file


class Upper(io.FileIO):
    """A file that changes what it reads; its descriptor must not be sent."""

    def read(self, size=-1):
        return super().read(size).upper()


def upper():
    fd, name = tempfile.mkstemp()
    os.write(fd, b"shout")
    os.close(fd)
    file = Upper(name)
    os.unlink(name)
    return file


def gzipped():
    import gzip

    raw = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
    with gzip.GzipFile(fileobj=raw, mode="wb") as f:
        f.write(b"unpacked")
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw)


class Noted:
    """A file that notes its close(), without a descriptor."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    def read(self, size):
        return self.file.read(size)

    def close(self):
        CLOSED.append("file")


def pipe():
    r, w = os.pipe()
    os.write(w, b"piped")
    os.close(w)
    return open(r, "rb")


def iterated(environ, start_response):
    start_response("200 OK", [])
    w = environ["wsgi.file_wrapper"](temp(), 3)
    first = next(iter(w))
    return Closing([first, b"|", *w])


def hints(environ, start_response):
    early = environ["wsgi.early_hints"]
    early([("Link", "</a.css>; rel=preload"), ("Connection", "close")])
    early([("Link", "</b.css>; rel=preload")])
    error = "none"
    try:
        early([("Bad\r\n", "x")])
    except ValueError as e:
        error = str(e)
    start_response("200 OK", [("Error", error)])
    yield b"one"
    early([("Link", "</late>")])
    yield b"two"


def hints_of_all_kinds(environ, start_response):
    early = environ["wsgi.early_hints"]
    early(iter([("Link", "</a>"), ["Link", "</b>"], (b"Link", b"</c>"), ("Link", b"caf\xe9")]))
    said = []
    for headers in ([("Link",)], [7], [(b"Link", b"a\r\nb")]):
        try:
            early(headers)
        except (TypeError, ValueError) as e:
            said.append(f"{type(e).__name__}: {e}")
    write = start_response("200 OK", [])
    write(b"")
    write("".join(line + "\n" for line in said).encode())
    early([("Bad\r\n", 7)])
    yield b"nothing"


def socket(environ, start_response):
    """What libraries that want the client's connection do with it."""
    sock = environ["gunicorn.socket"]
    said = [str(hasattr(sock, "dup")), repr(sock), str(bool(sock))]
    for name in ("dup", "fileno"):
        try:
            getattr(sock, name)()
        except AttributeError as e:
            said.append(str(e))
    return answer(start_response, said)


def fork_returns(environ, start_response):
    """A child of the view returns into the server; the parent answers with the child's status."""
    if environ["QUERY_STRING"] == "raise":
        pid = os.fork()
        if pid == 0:
            raise ValueError("in the child")
    else:
        pid = os.fork()
    if pid == 0:
        start_response("200 OK", [])
        return [b"answer of the child"]
    status = os.waitpid(pid, 0)[1]
    return answer(start_response, status)


def fork_yields(environ, start_response):
    start_response("200 OK", [])
    pid = os.fork()
    if pid == 0:
        yield b"child"
    else:
        yield str(os.waitpid(pid, 0)[1]).encode()


def fork_writes(environ, start_response):
    write = start_response("200 OK", [])
    pid = os.fork()
    if pid == 0:
        write(b"child")
    write(str(os.waitpid(pid, 0)[1]).encode())
    return []


def close_descriptors(environ, start_response):
    which = environ["QUERY_STRING"]
    options = json.loads(sys.argv[1])
    if which == "stream":
        os.close(options["streams"][0])
    elif which == "queue":
        os.close(options["queue"])
    elif which == "file":
        os.dup2(os.open(os.devnull, os.O_RDWR), options["streams"][0])
    start_response("200 OK", [])
    return [b"closed"]


def huge(environ, start_response):
    """Streams until the client leaves."""
    start_response("200 OK", [])
    return Closing(endless(), "huge")


def endless():
    while True:
        yield b"x" * 70000


def write_huge(environ, start_response):
    write = start_response("200 OK", [])
    try:
        while True:
            write(b"x" * 70000)
    finally:
        CLOSED.append("write_huge")


def slow_iterator(environ, start_response):
    start_response("200 OK", [])
    return Closing(slow_items(), "slow")


def slow_items():
    yield b"first"
    while True:
        time.sleep(0.01)
        yield b""


GATES: dict[str, threading.Event] = {}


def gate(environ, start_response):
    """Waits until /open/NAME is asked; /wait/NAME answers with the thread's name. /stop/NAME makes the worker stop, too."""
    _, what, name = environ["PATH_INFO"].split("/")
    if what == "stop":
        import _gounicorn

        _gounicorn.stop()
    event = GATES.setdefault(name, threading.Event())
    if what != "wait":
        event.set()
    else:
        event.wait()
    return answer(start_response, threading.current_thread() is threading.main_thread())


def unread(environ, start_response):
    """/pause waits for SIGUSR2; /unread tells how many bytes of answers the master has not read; the rest answer at once."""
    path = environ["PATH_INFO"]
    if path == "/pause":
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        os.write(2, b"!")
        signal.sigwait([signal.SIGUSR2])
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    elif path == "/exit":
        raise SystemExit
    if path == "/unread":
        path = str(sum(outgoing(int(fd)) for fd in os.listdir("/proc/self/fd")))
    start_response("200 OK", [])
    return [path.encode()]


def outgoing(fd):
    """The bytes of a stream socket that the peer has not read."""
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            with sockets.socket(fileno=os.dup(fd)) as s:
                if s.type == sockets.SOCK_STREAM:
                    return int.from_bytes(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except FileNotFoundError:  # listdir's own
        pass
    return 0


def sleep(environ, start_response):
    """Sleeps in a system call that EINTR would end early; answers how long."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    start_response("200 OK", [])
    rc = libc.usleep(300000)
    return [b"%d" % rc]


def bystander(environ, start_response):
    """Another thread runs Python while this one waits in write()."""
    write = start_response("200 OK", [])
    for _ in range(8):
        write(b"y" * 200000)
    return []


def two_writers(environ, start_response):
    write = start_response("200 OK", [])
    threads = [threading.Thread(target=lambda c=c: [write(c * 100000) for _ in range(20)]) for c in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return []


def signals(environ, start_response):
    import signal

    def handler(number, frame):
        raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[environ["QUERY_STRING"]]

    signal.signal(signal.SIGUSR1, handler)
    return answer(start_response, os.getpid())


def counts(environ, start_response):
    """Numbers that a leak would raise."""
    gc.collect()
    with open("/proc/self/statm") as f:
        pages = int(f.read().split()[1])
    return answer(
        start_response,
        {
            "objects": len(gc.get_objects()),
            "rss": pages * os.sysconf("SC_PAGESIZE"),
            "blocks": sys.getallocatedblocks(),
            "fds": len(os.listdir("/proc/self/fd")),
        },
    )


class Plain:
    pass


class OldStyle:
    """An iterable by __getitem__ only."""

    def __getitem__(self, i):
        return [b"a", b"b"][i]


class Unready:
    def __iter__(self):
        raise ValueError("iter failed")


def head_of(start_response, result, headers=(), status="200 OK"):
    start_response(status, list(headers))
    return result


def forking(count):
    """Forks children from a thread, which do nothing until they are ended by forked()."""

    def fork():
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                time.sleep(120)
                os._exit(0)
            KEPT.append(pid)

    thread = threading.Thread(target=fork)
    thread.start()
    return thread


def forked(thread):
    thread.join()
    for pid in KEPT:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [str(len(KEPT)).encode()]


def zoo(environ, start_response):
    """Does what QUERY_STRING says: a Python expression."""
    names = {**globals(), "e": environ, "s": start_response, "ok": lambda *a, **k: head_of(start_response, *a, **k)}
    return eval(environ["QUERY_STRING"], names)


def dispatch(environ, start_response):
    """The application named by the path."""
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)


def weak(environ, start_response):
    """Whether the objects of an earlier request are gone."""
    if environ["PATH_INFO"] == "/first":

        class Marker:
            pass

        environ["marker"] = Marker()
        KEPT.append(weakref.ref(environ["marker"]))
        start_response("200 OK", [])
        if environ["QUERY_STRING"] == "raise":
            raise ValueError
        return [b""]
    return answer(start_response, KEPT[0]() is None)


def soft(environ, start_response):
    """Runs until SoftTimeout comes, as PATH_INFO says how, and answers what came. Writes to stderr when it begins to wait."""
    import select

    what = environ["PATH_INFO"][1:]
    ways = {
        "sleep": lambda: time.sleep(60),
        "sleep-short": lambda: [time.sleep(0.01) for _ in range(6000)],
        "lock": lambda: threading.Event().wait(60),
        "lock-short": lambda: [threading.Event().wait(0.01) for _ in range(6000)],
        "select": lambda: select.select([], [], [], 60),
        "select-short": lambda: [select.select([], [], [], 0.01) for _ in range(6000)],
        "spin": lambda: [None for _ in iter(int, 1)],
        "nothing": lambda: None,
        "answer": lambda: None,
        "short": lambda: [sys.setswitchinterval(1e-5), sum(1 for _ in range(15000))],
    }
    start_response("200 OK", [])
    try:
        if what not in ("nothing", "short"):
            os.write(2, b"!")
        ways.get(what, ways["sleep"])()
    except SoftTimeout:
        if what == "uncaught":
            raise
        if what == "twice":
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                pass
            return [b"SoftTimeout once"]
        return [b"SoftTimeout"]
    return [b"x" * (4 << 20) if what == "answer" else what.encode()]


def routed(environ, start_response):
    """Names its route as QUERY_STRING says, a Python expression."""
    route = eval(environ["QUERY_STRING"] or "None")
    if route is not None:
        environ["gounicorn.route"] = route
    start_response("200 OK", [])
    return []


def niceness(environ, start_response):
    """Answers the nice value of its thread, after PATH_INFO's gate if it has one."""
    if environ["PATH_INFO"] != "/":
        os.write(2, b"!")
        GATES.setdefault(environ["PATH_INFO"], threading.Event()).wait(60)
    start_response("200 OK", [])
    for gate in environ["QUERY_STRING"].split():
        GATES.setdefault(gate, threading.Event()).set()
    return [b"%d" % os.getpriority(os.PRIO_PROCESS, 0)]


ENDED: list = []  # what end() was called with, by request


def begin(environ):
    """Make a request object; raise when the request asks for it."""
    if "HTTP_X_BEGIN" in environ:
        eval(environ["HTTP_X_BEGIN"])
    environ["begun"] = True
    return [environ["PATH_INFO"]]


def end(request, environ, outcome, status, headers, length, sent, nanoseconds):
    """Note the call; raise when the request asks for it."""
    same = environ.get("begun") is True and (request is None or request[0] == environ["PATH_INFO"])
    ENDED.append([same, outcome, status, headers and [list(pair) for pair in headers], length, sent, nanoseconds])
    if "HTTP_X_END" in environ:
        eval(environ["HTTP_X_END"])
    if request is not None:
        request.append(environ)  # a cycle of everything, for the garbage collector


def end_forgetful(*args):
    """Do the same and forget it."""
    try:
        end(*args)
    finally:
        ENDED.clear()


def ended(environ, start_response):
    """What end() was called with since the last time."""
    calls = ENDED[:]
    ENDED.clear()
    return answer(start_response, calls)


def hooked(environ, start_response):
    """The zoo, and /ended."""
    return (ended if environ["PATH_INFO"] == "/ended" else zoo)(environ, start_response)


def signal_with_errno(environ, start_response):
    """Install a handler that opens a file, which leaves errno changed: a file is no terminal."""
    import signal

    def handler(number, frame):
        with open(__file__):
            KEPT.append(number)

    if not KEPT:
        signal.signal(signal.SIGUSR1, handler)
        KEPT.append(0)
    return answer(start_response, KEPT)
