"""A worker, from the fork to its end. The steps are start, in C before Go runs, then forked, loaded, configure, serve and
finish, called by Go (package pyworker); leave in place of the last when the worker does not come to serve."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import _gounicorn
import _gounicorn_process as process

from gounicorn import SoftTimeout, _apploader, _config, _exchange, _journal, _logging, _reload, _site

if TYPE_CHECKING:
    from collections.abc import Callable

    from gounicorn._objects import Server, Worker
    from gounicorn._zygote import Birth, Job

DEFAULT_GRACE = 30
EXIT_FAILED = 1
EXIT_ABORTED = 1  # of a worker that took SIGABRT
EXIT_UNEXPECTED = 255
SLOW_NICE = 10  # how much nicer a thread is while it runs what computes for long
PRINTED = 0  # the level of a LOG whose text is written as it is
OOM_SCORE = 100  # above the master's, out of 1000: when memory is short, rather a worker than all

_boot: dict[str, Any] = {}
_job: Job | None = None
_inherited: _config.Config | None = None
_server: Server | None = None  # for hooks
_worker: Worker | None = None  # likewise
_left = False  # worker_exit has run
_stopping = False  # SIGTERM came, perhaps while the application was being imported
_threads: set[threading.Thread] = set()  # that serve, beside the main thread
_awake, _wake = -1, -1  # a pipe: a byte wakes the main thread when one of them has ended


def start(birth: Birth) -> None:
    """Make the forked child a worker. Runs before the Go runtime: one thread, no locks."""
    global _job, _inherited, _server, _worker
    _boot.update(birth.boot)
    _job, _inherited, _server, _worker = birth.job, birth.config, birth.server, birth.worker
    _take_descriptors(birth.job)
    _take_signals()
    title = _boot.get("proc_name") or _boot["app"]
    process.set_name("gounicorn-worke")
    process.set_title(f"gounicorn: worker [{title}]")
    _raise_oom_score()
    _prepare_stacks()
    if "worker_abort" in birth.config.hooks:
        signal.signal(signal.SIGABRT, _abort)  # after _prepare_stacks, which takes this signal for its own use
    gc.enable()


def _take_descriptors(job: Job) -> None:
    control, stdout, stderr = job.fds[:3]
    # a received descriptor is never below 6, as 3, 4 and 5 are taken
    os.dup2(control, process.FD_CONTROL, inheritable=False)
    os.dup2(stderr if _in_one_log() else stdout, 1)
    os.dup2(stderr, 2)
    for fd in (control, stdout, stderr):
        os.close(fd)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)  # it is a pipe to the master, but print() is meant for the log, now


def _in_one_log() -> bool:
    """Tell whether all that is printed goes to the error log, in its order; JSON tells the streams apart."""
    settings = _boot["settings"]
    return bool(settings.get("capture_output") and settings["errorlog"] not in ("-", None) and settings["log_format"] != "json")


def _take_signals() -> None:
    """Set the defaults, which the application may override."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _quit)
    signal.signal(signal.SIGQUIT, _quit)
    signal.signal(signal.SIGUSR1, _reopen)
    # SIGHUP and SIGWINCH keep the zygote's handler, which does nothing
    os.register_at_fork(after_in_child=_leave_signals)


def _leave_signals() -> None:
    """A process that the application forks, as multiprocessing does, dies of the signals that ask a worker to finish."""
    for number, ours in ((signal.SIGTERM, _stop), (signal.SIGINT, _quit), (signal.SIGQUIT, _quit), (signal.SIGABRT, _abort)):
        if signal.getsignal(number) is ours:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: object) -> None:
    global _stopping
    if _worker is not None:
        _worker.alive = False
    _stopping = True  # no Event: a lock is not for signal handlers
    _gounicorn.stop()


def _reopen(number: int, frame: object) -> None:
    try:
        _logging.reopen()
    except Exception as error:
        _journal.write(process.ERROR, f"reopen logs: {_apploader.describe(error)}")


def _quit(number: int, frame: object) -> None:
    _leave_now("worker_int", 0)


def interrupted() -> None:
    """Run worker_int: gunicorn does when --reload ends a worker. Here what ran has been finished first."""
    _try("worker_int", _worker)


def _abort(number: int, frame: object) -> None:
    _leave_now("worker_abort", EXIT_ABORTED)


def _leave_now(name: str, code: int) -> None:
    """End the process from a signal handler, whatever runs, after a hook."""
    try:
        _count_requests()
        if not _try(name, _worker):
            code = EXIT_UNEXPECTED
        leave()
        _flush()
    finally:
        os._exit(code)


def _try(name: str, *args: Any, level: int = process.ERROR) -> bool:
    """Call a hook; an exception is for the log. Returns whether there was none."""
    try:
        if _inherited is not None:
            _inherited.call(name, *args)
    except BaseException as error:
        _journal.write(level, _config.blame(name, error))
        return False
    return True


def _step(name: str, *args: Any) -> tuple[int, str]:
    """Call a hook without which the worker does not boot; return (0, "") or exit code and reason."""
    try:
        if _inherited is not None:
            _inherited.call(name, *args)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else EXIT_FAILED
        return code & 0xFF or EXIT_FAILED, f"The hook {name} called sys.exit({error.code!r})."
    except BaseException as error:
        return _apploader.EXIT_BOOT, f"Exception in worker process. {_config.blame(name, error)}"
    return 0, ""


def forked() -> tuple[int, str]:
    """Run post_fork: Go runs, the application has not been imported unless the zygote has."""
    return _step("post_fork", _server, _worker)


def loaded(app: Callable[..., Any]) -> tuple[int, str]:
    """Note the application and run post_worker_init, which may replace it."""
    if _worker is None:
        return 0, ""
    _worker.wsgi = _worker.app.callable = app
    code, text = _step("post_worker_init", _worker)
    code, text = (code, text) if code else _warm_up(_worker.wsgi)
    _worker.booted = not code
    if _worker.booted and _job is not None and _job.site:
        _site.tell(_job.worker)
    return code, text


def _warm_up(app: Callable[..., Any]) -> tuple[int, str]:
    """Make the requests of --warmup. One that fails is a failed boot only where the new generation has yet to prove itself."""
    urls = _boot.get("warmup")
    if not urls or _job is None:
        return 0, ""
    from gounicorn import _warmup

    base = {
        "SERVER_SOFTWARE": _boot["server_software"],
        "wsgi.errors": _errors(),
        "wsgi.multithread": _multithread(_job),
        "wsgi.multiprocess": _boot["workers"] > 1,
    }
    try:
        _warmup.run(app, urls, _boot.get("warmup_host", ""), base | (_boot.get("environ") or {}))
    except _warmup.WarmupError as error:
        if _job.gate:
            return _apploader.EXIT_BOOT, f"Worker failed to boot: {error}"
        _journal.write(process.WARNING, str(error))
    return 0, ""


def leave() -> None:
    """Say that the worker leaves and run worker_exit, once."""
    global _left
    if not _left:
        _left = True
        _journal.write(process.INFO, f"Worker exiting (pid: {os.getpid()})")
        if _worker is not None:
            _worker.alive = False
            _count_requests()
        _try("worker_exit", _server, _worker, level=process.WARNING)


def _count_requests() -> None:
    if _worker is not None:
        _worker.nr = _gounicorn.started()


def _raise_oom_score() -> None:
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)  # open() imports a codec, which copies 0.7 MB
    except OSError:
        return  # only a preference
    try:
        score = min(1000, int(os.read(fd, 16)) + OOM_SCORE)
        os.pwrite(fd, b"%d" % score, 0)
    except OSError:
        pass
    finally:
        os.close(fd)


def _prepare_stacks() -> None:
    if not faulthandler.is_enabled():
        faulthandler.enable()
    faulthandler.register(process.STACKS_SIGNAL, process.stacks_fd(), all_threads=True)


def identity() -> tuple[int, int, str]:
    """Return worker id, seconds of grace and app spec, for Go."""
    job = _current()
    return job.worker, int(_boot.get("graceful_timeout", DEFAULT_GRACE)), str(_boot["app"])


def _current() -> Job:
    if _job is None:
        message = "this process is no worker"
        raise RuntimeError(message)
    return _job


def has_gil() -> bool:
    """Tell whether only one thread at a time runs Python code, which an extension may have decided when it was imported."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def configure(app: Callable[..., Any]) -> None:
    """Tell the serve loop what it needs to know. The application is the one that hooks have left in worker.wsgi."""
    global _awake, _wake
    job = _current()
    if _worker is not None and _worker.wsgi is not None:
        app = _worker.wsgi
    _awake, _wake = os.pipe()
    os.set_blocking(_wake, False)
    begin, end = _around()
    report = _report if _boot["python_logs"] and _worker is not None else None
    _gounicorn.configure(
        app=app,
        worker=job.worker,
        multiprocess=_boot["workers"] > 1,
        multithread=_multithread(job),
        max_requests=job.max_requests,
        server_software=_boot["server_software"],
        queue=process.FD_QUEUE,
        scoreboard=process.FD_SCOREBOARD,
        control=process.FD_CONTROL,
        errors=_errors(),
        environ=_boot.get("environ"),
        own_queue=job.queue if has_gil() else -1,
        slow_nice=_boot.get("slow_nice", SLOW_NICE),
        soft_timeout=SoftTimeout,
        begin=begin,
        end=end,
        report=report,
        tray=job.tray,
    )
    signal.signal(_gounicorn.SOFT_SIGNAL, _gounicorn.soft_signal)
    _reload.watch()
    if _stopping:
        _gounicorn.stop()


def _multithread(job: Job) -> bool:
    return _boot.get("multithread", False) or max(job.threads, _boot.get("max_threads", 1)) > 1


def _around() -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
    """Return what runs before and after each request, None for nothing."""
    if _worker is None or _inherited is None:
        return None, None
    debug = _worker.cfg.loglevel == "debug"  # then pre_request logs by default
    hooked = debug or "pre_request" in _inherited.hooks or "post_request" in _inherited.hooks
    return _exchange.around(_worker, hooked=hooked, access=bool(_boot["python_logs"]))


def _report(message: str, error: BaseException) -> None:
    """Log what the application raised with the configuration's own logger, in this process: before the request's access line."""
    if _worker is not None:
        _worker.log.exception("%s", message, exc_info=error)


class _ErrorLog(io.RawIOBase):
    """The bytes of wsgi.errors, for the error log of the master: stderr is another stream when the log is a file."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        from gounicorn._zygote import HEADER

        rest = bytes(data)
        while rest:
            room = process.MAX_PACKET - process.HEADER_SIZE
            if len(rest) > room:
                room = rest.rfind(b"\n", 0, room) + 1 or room
            piece, rest = rest[:room], rest[room:]
            with contextlib.suppress(OSError):  # the master has gone, or does not keep up: a log must not stop a request
                os.write(process.FD_CONTROL, HEADER.pack(len(piece), process.LOG, 0, PRINTED, 0, 0) + piece)
        return len(data)


def _errors() -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(_ErrorLog(), 1 << 16), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def serve() -> None:
    """Serve requests until the worker is asked to stop. Signal handlers run in this thread.

    Thread 0 is this one when it is the only one at the start; spare threads may still come and go beside it.
    """
    job = _current()
    try:
        if job.threads == 1:
            _gounicorn.serve(0, job.streams[0])
        else:
            for index, stream in enumerate(job.streams):
                add_thread(index, stream)
    finally:
        _wait_for_threads()


def _wait_for_threads() -> None:
    # A signal may reach any thread, and only a byte in this pipe tells the main thread for certain that one came.
    signal.set_wakeup_fd(_wake, warn_on_full_buffer=False)
    while _threads:
        try:
            os.read(_awake, 4096)
        except (KeyboardInterrupt, SystemExit):  # from a signal handler of the application's: it wants to leave
            _gounicorn.stop()
    signal.set_wakeup_fd(-1)


def add_thread(index: int, stream: int) -> None:
    """Serve with one more thread. Called from any thread, also Go's, which threading shall not note: hence daemon is given."""
    thread = threading.Thread(target=_serve_thread, args=(index, stream), name=f"gounicorn-{index}", daemon=False)
    _threads.add(thread)
    try:
        thread.start()
    except RuntimeError:
        _threads.discard(thread)
        raise


def _serve_thread(index: int, stream: int) -> None:
    try:
        _gounicorn.serve(index, stream)
    finally:
        _threads.discard(threading.current_thread())
        with contextlib.suppress(BlockingIOError):  # what fills the pipe wakes the main thread as well
            os.write(_wake, b"\0")


def finish() -> None:
    """End as the interpreter would: wait for the application's threads, run its exit functions, flush. Go bounds the time."""
    leave()
    threading._shutdown()
    atexit._run_exitfuncs()
    _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError, RuntimeError):
            continue  # RuntimeError: a signal handler interrupted print(), whose buffer cannot be entered again
