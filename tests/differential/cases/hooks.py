"""Hooks: which run, in which order, in which kind of process, with which objects. Section 1.6."""

from case import HOOKS, Case


def session(run):
    run.settle()
    if 'spy.say("post_worker_init' in run.case.conf:
        run.event("post_worker_init")
    run.get("/")


def hooked(name, conf=HOOKS, args="app:app", play=session, **more):
    return Case("hooks/" + name, args, conf=conf, play=play, **more)


def then(*steps):
    def play(run):
        session(run)
        for step in steps:
            step(run)

    return play


def hup(run, workers=1):
    run.kill("HUP")
    run.event("on_reload")
    run.event("post_worker_init", 1 + workers)
    run.event("child_exit")


def attributes(**hooks):
    """A file that says the attributes of the hooks' objects."""
    lines = ["import spy", ""]
    for hook, (signature, *expressions) in hooks.items():
        lines += ["", f"def {hook}({signature}):"]
        lines += [f"    spy.say({hook!r}, {e!r}, {e})" for e in expressions]
    return "\n".join(lines) + "\n"


KIND = "server.cfg.workers", "server.address", "len(server.WORKERS)", "server.num_workers"
WORKER = (
    "worker.age", "worker.nr", "worker.alive", "worker.cfg.proc_name", "worker.ppid == os.getppid()", "worker.pid == os.getpid()",
    "callable(worker.wsgi)", "hasattr(worker, 'app')", "len(worker.sockets)",
    "str(worker.tmp is not None)", "worker.timeout", "str(worker)",
)  # fmt: skip
REQUEST = (
    "req.method", "req.path", "req.uri", "req.query", "req.version", "sorted(req.headers)", "req.scheme", "req.fragment",
    "req.body is not None", "req.should_close()",
)  # fmt: skip
LOGS = "\n".join(
    ["import spy"]
    + [f"def {hook}(server):\n    server.log.info('from {hook}')" for hook in ("on_starting", "when_ready", "on_exit")]
    + ["def post_fork(server, worker):\n    worker.log.warning('from %s', 'post_fork')\n    server.log.debug('not shown')"]
    + ["def pre_request(worker, req):\n    worker.log.error('from pre_request of %s', req.path)"]
) + "\n"  # fmt: skip
STATE = """
import spy

seen = ["evaluated"]


def on_starting(server):
    seen.append("on_starting")


def pre_fork(server, worker):
    seen.append("pre_fork")


def post_fork(server, worker):
    seen.append("post_fork")


def worker_exit(server, worker):
    spy.say("seen", *seen)


def on_exit(server):
    spy.say("seen", *seen)
"""


def failing(hook, signature):
    return f"def {hook}({signature}):\n    raise RuntimeError('{hook} fails')\n"


CASES = [
    hooked("order-term", play=then(lambda run: run.kill("TERM"))),
    hooked("order-int", play=then(lambda run: run.kill("INT"))),
    hooked("order-quit", play=then(lambda run: run.kill("QUIT"))),
    hooked("order-preload", args="--preload app:app"),
    hooked("order-threads", args="--threads 2 app:app"),
    hooked("order-two-workers", args="-w 2 app:app", workers=2, play=lambda run: run.event("post_worker_init", 2)),
    hooked("order-hup", play=then(hup)),
    hooked("order-hup-preload", args="--preload app:app", play=then(hup)),
    hooked("order-ttin", play=then(lambda run: run.kill("TTIN"), lambda run: run.event("post_worker_init", 2))),
    hooked(
        "order-ttin-ttou",
        play=then(
            lambda run: run.kill("TTIN"),
            lambda run: run.event("post_worker_init", 2),
            lambda run: run.kill("TTOU"),
            lambda run: run.event("child_exit"),
        ),
    ),
    hooked(
        "order-max-requests",
        args="--max-requests 2 app:app",
        play=then(lambda run: run.get("/"), lambda run: run.event("post_worker_init", 2), lambda run: run.event("child_exit")),
    ),
    hooked(
        "order-worker-killed",
        play=then(
            lambda run: run.kill("KILL", run.workers()[0]),
            lambda run: run.event("post_worker_init", 2),
            lambda run: run.event("child_exit"),
        ),
    ),
    hooked(
        "order-worker-term",
        play=then(
            lambda run: run.kill("TERM", run.workers()[0]),
            lambda run: run.event("post_worker_init", 2),
            lambda run: run.event("child_exit"),
        ),
    ),
    hooked(
        "order-worker-abort",
        play=then(
            lambda run: run.kill("ABRT", run.workers()[0]),
            lambda run: run.event("post_worker_init", 2),
            lambda run: run.event("child_exit"),
        ),
    ),
    hooked(
        "order-worker-int",
        play=then(
            lambda run: run.kill("INT", run.workers()[0]),
            lambda run: run.event("post_worker_init", 2),
            lambda run: run.event("child_exit"),
        ),
    ),
    hooked("order-boot-fails", args="nowhere:app", play=None),
    hooked("order-check-config", args="--check-config app:app", play=None, bare=True),
    hooked("order-print-config-has-no-hooks", args="--check-config nowhere:app", play=None, bare=True),
    hooked(
        "server",
        attributes(
            on_starting=("server", *KIND, "server.pid == os.getpid() or server.pid == os.getppid()"),
            when_ready=("server", *KIND),
            on_exit=("server", *KIND),
        ).replace("import spy", "import os, spy"),
    ),
    hooked(
        "worker",
        attributes(
            pre_fork=("server, worker", *WORKER[:4], "worker.pid"),
            post_fork=("server, worker", *WORKER[:6], *WORKER[7:11]),
            post_worker_init=("worker", *WORKER[:11]),
            worker_exit=("server, worker", *WORKER[:6]),
            child_exit=("server, worker", "worker.age"),
        ).replace("import spy", "import os, spy"),
        "-n named app:app",
        play=lambda run: run.get("/"),
    ),
    hooked(
        "age-after-hup",
        HOOKS + "\n\ndef post_worker_init(worker):\n    spy.say('post_worker_init')\n    spy.say('age', worker.age)\n",
        play=then(hup),
    ),
    hooked(
        "request",
        attributes(pre_request=("worker, req", *REQUEST)),
        play=lambda run: run.get("/path%20x?a=b&c", "X-One: 1", "X-One: 2", "Cookie: a=b"),
    ),
    hooked(
        "response",
        attributes(
            post_request=(
                "worker, req, environ, resp",
                "resp.status",
                "resp.status_code",
                "resp.headers",
                "resp.sent",
                "environ['PATH_INFO']",
                "resp.headers_sent",
                "resp.response_length",
                "resp.chunked",
            )
        ),
        play=lambda run: (run.get("/"), run.get("/chunks"), run.get("/redirect")),
    ),
    hooked("post-request-two", "import spy\ndef post_request(worker, req):\n    spy.say('two', req.path)\n"),
    hooked(
        "post-request-three", "import spy\ndef post_request(worker, req, environ):\n    spy.say('three', environ['PATH_INFO'])\n"
    ),
    hooked("log", LOGS),
    hooked("state", STATE, play=lambda run: run.get("/")),
    hooked(
        "environment-from-on-starting",
        "import os\ndef on_starting(server):\n    os.environ['SET'] = 'there'\n",
        play=lambda run: run.get("/process?SET"),
    ),
    hooked(
        "environ-from-post-fork",
        "import os\ndef post_fork(server, worker):\n    os.environ['SET'] = f'by {worker.age}'\n",
        play=lambda run: run.get("/process?SET"),
    ),
    hooked(
        "raw-env-before-post-fork",
        "import os, spy\nraw_env = ['A=1']\ndef post_fork(server, worker):\n    spy.say('A', os.environ.get('A'))\n"
        "def on_starting(server):\n    spy.say('A', os.environ.get('A'))\n",
        play=lambda run: run.get("/"),
    ),
    hooked("post-request-fails", failing("post_request", "worker, req, environ, resp"), play=lambda run: run.get("/")),
    hooked("pre-request-fails", failing("pre_request", "worker, req"), play=lambda run: run.get("/")),
    hooked("worker-exit-fails", failing("worker_exit", "server, worker"), play=lambda run: run.get("/")),
    *(
        hooked(f"{name.replace('_', '-')}-fails", failing(name, signature), play=None)
        for name, signature in (
            ("on_starting", "server"),
            ("when_ready", "server"),
            ("pre_fork", "server, worker"),
            ("post_fork", "server, worker"),
            ("post_worker_init", "worker"),
        )
    ),
]
