"""Signals, exit codes, pid files, daemon mode, timeouts: sections 1.3 and 2."""

import os
import stat

from case import HOOKS, Case


def case(name, *steps, conf=HOOKS, args="app:app", settle=True, **more):
    def play(run):
        if settle:
            run.settle()
            if conf == HOOKS:
                run.event("post_worker_init", run.case.workers)
        for step in steps:
            step(run)

    return Case("signals/" + name, args, conf=conf, play=play, **more)


def kill(*names):
    return lambda run: [run.kill(name) for name in names]


def event(what, times=1):
    return lambda run: run.event(what, times)


def logged(pattern, times=1, file="stderr"):
    return lambda run: run.logged(pattern, times, file)


def get(target="/", **more):
    return lambda run: run.get(target, **more)


def later(target):
    return lambda run: run.later(target)


def write(name, text):
    return lambda run: run.write(name, text)


def release(run):
    run.write("go", "")


def pidfile(name="pid"):
    def step(run):
        path = run.dir / name
        run.until(path.exists, "the pid file")
        run.note(name, run.text(name).strip() == str(run.pid), stat.filemode(os.stat(path).st_mode))

    return step


def missing(name):
    return lambda run: run.note(name, "is there" if (run.dir / name).exists() else "is not there")


def ended(run):
    run.ended()


def daemon(run):
    run.until(lambda: run.text("pid").strip(), "the pid file")
    pid = int(run.text("pid"))
    run.note("exit of the command", run.process.wait(20))
    run.note("own session", os.getsid(pid) != os.getsid(0))
    run.note(
        "stdin",
        os.readlink(f"/proc/{pid}/fd/0"),
        "stdout",
        os.readlink(f"/proc/{pid}/fd/1"),
        "cwd",
        os.readlink(f"/proc/{pid}/cwd") == str(run.dir),
    )
    run.get("/process?umask")
    run.kill("TERM", pid)
    run.gone(pid)
    run.note("pid file", (run.dir / "pid").exists())


def upgrade(run):
    """USR2: the second master serves, the first one leaves, the second one takes its place."""
    run.kill("USR2")
    run.event("when_ready", 2)
    run.event("post_worker_init", 2)
    run.until(lambda: run.text("pid.2").strip(), "the second pid file")
    second = int(run.text("pid.2"))
    run.note("pid files", run.text("pid").strip() == str(run.pid), second != run.pid)
    run.get("/")
    run.kill("TERM")
    run.ended()
    run.until(lambda: run.text("pid").strip() == str(second), "the promotion")
    run.note("second pid file", (run.dir / "pid.2").exists())
    run.get("/")
    run.kill("TERM", second)
    run.gone(second)
    run.note("pid file", (run.dir / "pid").exists())


NEW = "raw_env = ['WHICH={}']\n"
CASES = [
    case("term", kill("TERM")),
    case("int", kill("INT")),
    case("quit", kill("QUIT")),
    case(
        "term-twice",
        later("/hold?go"),
        event("hold begins"),
        kill("TERM"),
        logged("Handling signal: term"),
        kill("TERM"),
        release,
    ),
    case(
        "term-finishes-the-request",
        later("/hold?go"),
        event("hold begins"),
        kill("TERM"),
        logged("Handling signal: term"),
        release,
    ),
    case(
        "term-finishes-with-threads",
        later("/hold?go"),
        event("hold begins"),
        kill("TERM"),
        logged("Handling signal: term"),
        release,
        args="--threads 2 app:app",
    ),
    case("term-too-slow", later("/hold?never"), event("hold begins"), kill("TERM"), args="--graceful-timeout 1 app:app"),
    case("term-then-int", later("/hold?never"), event("hold begins"), kill("TERM"), logged("Handling signal: term"), kill("INT")),
    case("int-busy", later("/hold?never"), event("hold begins"), kill("INT"), args="--graceful-timeout 3 app:app"),
    # reload
    case("hup", kill("HUP"), event("post_worker_init", 2), event("child_exit"), get()),
    case(
        "hup-twice",
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        kill("HUP"),
        event("post_worker_init", 3),
        event("child_exit", 2),
        get(),
    ),
    case(
        "hup-new-value",
        get("/process?WHICH"),
        write("gunicorn.conf.py", HOOKS + NEW.format("new")),
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        get("/process?WHICH"),
        conf=HOOKS + NEW.format("old"),
    ),
    case(
        "hup-removed-value",
        write("gunicorn.conf.py", HOOKS),
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        get("/process?WHICH"),
        conf=HOOKS + NEW.format("old"),
    ),
    case(
        "hup-more-workers",
        write("gunicorn.conf.py", HOOKS + "workers = 2\n"),
        kill("HUP"),
        event("post_worker_init", 3),
        event("child_exit"),
    ),
    case(
        "hup-new-code",
        get("/"),
        write(
            "app.py",
            CHANGED := "import spy\nspy.say('import', 'new')\ndef app(e, s):\n"
            "    s('200 OK', [('Content-Length', '3')])\n    return [b'new']\n",
        ),
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        get("/"),
    ),
    case(
        "hup-new-code-preloaded",
        get("/"),
        write("app.py", CHANGED),
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        get("/"),
        args="--preload app:app",
    ),
    case(
        "hup-new-bind",
        lambda run: run.write("gunicorn.conf.py", HOOKS + "bind = 'unix:{dir}/new.sock'\n"),
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        lambda run: run.until((run.dir / "new.sock").exists, "the new socket"),
        get(path="new.sock"),
        conf=HOOKS + "bind = 'unix:{dir}/old.sock'\n",
        bind=False,
    ),
    case(
        "hup-finishes-the-request",
        later("/hold?go"),
        event("hold begins"),
        kill("HUP"),
        event("post_worker_init", 2),
        release,
        event("child_exit"),
    ),
    case(
        "hup-keeps-the-pidfile",
        kill("HUP"),
        event("post_worker_init", 2),
        event("child_exit"),
        pidfile(),
        args="-p {dir}/pid app:app",
    ),
    case(
        "hup-broken-config", write("gunicorn.conf.py", "workers = (\n"), kill("HUP"), logged("SyntaxError"), conf=HOOKS, keep=()
    ),
    case(
        "hup-broken-app",
        write("app.py", "raise RuntimeError('broken')\n"),
        kill("HUP"),
        logged("RuntimeError: broken"),
        logged("exited with code 3|Reload failed|reload failed|keeps|stays"),
    ),
    # number of workers
    case("ttin", kill("TTIN"), event("post_worker_init", 2)),
    case("ttou-of-one", kill("TTOU"), logged("Handling signal: ttou"), get()),
    case("ttou-of-two", kill("TTOU"), event("child_exit"), get(), args="-w 2 app:app", workers=2),
    case(
        "ttin-is-lost-at-hup",
        kill("TTIN"),
        event("post_worker_init", 2),
        kill("HUP"),
        event("post_worker_init", 3),
        event("child_exit", 2),
    ),
    # other signals
    case("winch", kill("WINCH"), logged("Handling signal: winch"), get()),
    case("usr1-without-files", kill("USR1"), logged("Handling signal: usr1"), get()),
    case(
        "usr1-reopens",
        get(),
        lambda run: (run.dir / "access").rename(run.dir / "access.1"),
        lambda run: (run.dir / "errors").rename(run.dir / "errors.1"),
        kill("USR1"),
        lambda run: run.until(lambda: (run.dir / "access").exists() and (run.dir / "errors").exists(), "new files"),
        lambda run: run.until(lambda: fresh(run), "the worker's reopening"),
        args="--access-logfile access --error-logfile errors app:app",
        keep=("access.1", "errors.1"),
    ),
    case("usr2", upgrade, args="-p {dir}/pid app:app"),
    case("usr2-preload", upgrade, args="--preload -p {dir}/pid app:app"),
    # workers
    case("worker-killed", lambda run: run.kill("KILL", run.workers()[0]), event("post_worker_init", 2), get()),
    case("worker-segfault", lambda run: run.kill("SEGV", run.workers()[0]), event("post_worker_init", 2), get()),
    case("worker-term", lambda run: run.kill("TERM", run.workers()[0]), event("post_worker_init", 2), get()),
    case("worker-int", lambda run: run.kill("INT", run.workers()[0]), event("post_worker_init", 2), get()),
    case("worker-hup", lambda run: run.kill("HUP", run.workers()[0]), get()),
    case("worker-winch", lambda run: run.kill("WINCH", run.workers()[0]), get()),
    case("max-requests", get(), get(), event("post_worker_init", 2), get(), args="--max-requests 2 app:app"),
    case("exit-in-a-request", get("/exit"), get()),
    case("exit-in-a-request-with-threads", get("/exit"), event("post_worker_init", 2), get(), args="--threads 2 app:app"),
    case(
        "timeout",
        later("/hold?never"),
        event("hold begins"),
        event("worker_abort"),
        event("post_worker_init", 2),
        get(),
        args="-t 1 app:app",
    ),
    case("timeout-of-a-quick-one", get("/slow?0.2"), args="-t 2 app:app"),
    case("no-timeout", get("/slow?1.3"), args="-t 0 app:app"),
    # pid files and daemon
    case("pidfile", pidfile(), kill("TERM"), ended, missing("pid"), args="-p pid app:app"),
    case("pidfile-by-int", pidfile(), kill("INT"), ended, missing("pid"), args="-p pid app:app"),
    case("pidfile-stale", pidfile(), args="-p pid app:app", files={"pid": "999999\n"}),
    case("pidfile-garbage", pidfile(), args="-p pid app:app", files={"pid": "hello\n"}),
    Case("signals/pidfile-live", "-p pid app:app", files={"pid": f"{os.getpid()}\n"}, keep=("pid",)),
    Case("signals/pidfile-and-boot-failure", "-p pid nowhere:app", keep=("pid",)),
    Case("signals/daemon", "-D -p {dir}/pid --error-logfile {dir}/errors app:app", play=daemon),
    case(
        "unix-socket-is-removed",
        get(path="s.sock"),
        kill("TERM"),
        ended,
        missing("s.sock"),
        args="-b unix:{dir}/s.sock app:app",
        bind=False,
    ),
    Case("signals/unix-path-is-a-file", "-b unix:{dir}/s.sock app:app", bind=False, files={"s.sock": "a file"}),
    case("reuse-port", get(), args="-b 127.0.0.1:{port} --reuse-port app:app", bind=False),
]


def fresh(run):
    """Whether a request is written into the new access log."""
    run.text_of("/fresh")
    return "/fresh" in run.text("access")
