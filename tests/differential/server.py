"""Starts one of the two servers for a case, plays with it, and writes down everything that can be seen of it."""

import collections
import contextlib
import fnmatch
import glob
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import uuid

import http_client
import normal

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
APPS = HERE / "apps"
GUNICORN = ROOT / "build" / "gunicorn-venv"
WITHOUT = ROOT / "build" / "differential-venv"
PATIENCE = float(os.environ.get("DIFFERENTIAL_PATIENCE", "20"))  # seconds that anything may take before the case fails
TICK = 0.01


def kinds(case):
    """What a case is started under. The third one is gounicorn where no gunicorn is installed."""
    return ("gunicorn", "gounicorn", "gounicorn alone") if case.alone else ("gunicorn", "gounicorn")


def command(kind):
    if kind == "gunicorn":
        return [str(GUNICORN / "bin" / "gunicorn")]
    binary = os.environ.get("GOUNICORN_BIN", str(ROOT / "bin" / "gounicorn"))
    return [binary, "--python", str((GUNICORN if kind == "gounicorn" else WITHOUT) / "bin" / "python")]


class StuckError(AssertionError):
    """Something that was waited for did not come."""


class Run:
    """One server of one case. Not for concurrent use, apart from background requests."""

    def __init__(self, kind, case, folder):
        self.kind, self.case, self.dir = kind, case, pathlib.Path(folder)
        self.mark = uuid.uuid4().hex
        self.seen = collections.defaultdict(list)
        self.code = None
        self.stopping = False
        self.port = None
        self.background = []
        self.listeners, self.numbers = {}, {}
        self.serves = bool(case.play or case.group)
        self.dir.mkdir(parents=True)
        for source in APPS.iterdir():
            if source.suffix == ".py":
                shutil.copy(source, self.dir)
        if case.conf is not None:
            self.write("gunicorn.conf.py", case.conf)
        for name, text in case.files.items():
            self.write(name, text)

    # -- start and stop

    def fill(self, text):
        for name, value in (("{dir}", str(self.dir)), ("{port}", None), ("{statsd}", None), ("{udp}", None)):
            if name in text:
                text = text.replace(name, value or str(self._number(name.strip("{}"))))
        return text

    def _number(self, name):
        if name not in self.listeners:
            kind = socket.SOCK_STREAM if name == "port" else socket.SOCK_DGRAM
            s = socket.socket(socket.AF_INET, kind)
            s.bind(("127.0.0.1", 0))
            self.listeners[name], self.numbers[name] = s, s.getsockname()[1]
            if name == "port":
                s.close()
        return self.numbers[name]

    def start(self):
        environ = {
            "PATH": os.environ["PATH"], "HOME": str(self.dir), "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1",
            "SPY": str(self.dir / "events"), "DIFFERENTIAL_MARK": self.mark,
            "PYTHONWARNINGS": "ignore:pkg_resources is deprecated:UserWarning",  # by what some libraries import
            "WEB_CONCURRENCY": "1",  # what gunicorn starts when nothing is said
        }  # fmt: skip
        if self.case.bare:
            del environ["WEB_CONCURRENCY"]
        environ.update({name: self.fill(value) for name, value in self.case.env.items()})
        if self.case.statsd:
            self._number("statsd")
        words = [self.fill(word) for word in shlex.split(self.case.args)]
        if self.case.bind and not self.case.bare:
            words = ["-b", "127.0.0.1:0", *words]
        if not self.case.bare:
            words = ["--no-control-socket", *words]
        with open(self.dir / "stdout", "wb") as out, open(self.dir / "stderr", "wb") as err:
            self.process = subprocess.Popen(
                [*command(self.kind), *words],
                cwd=self.dir, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid
        if self.serves:
            self.wait_listening()

    def wait_listening(self):
        """Until some process of the server listens. Its first TCP port becomes self.port."""

        def listening():
            if self.process.poll() not in (None, 0):
                raise StuckError(f"{self.kind} ended with {self.process.returncode} instead of serving:\n{self.text('stderr')}")
            ports, paths = listening_sockets(self.marked() if "-D" in self.case.args.split() else [self.pid, *self.descendants()])
            if "{port}" in self.case.args + (self.case.conf or "") and ports:
                ports = [self._number("port")]
            self.port = ports[0] if ports else None
            self.ports = ports
            return ports or paths

        self.until(listening, "a listening socket")

    def exec(self):
        """Plays the whole case."""
        try:
            self.start()
            if self.case.group:
                self.play_group()
            elif self.case.play:
                self.case.play(self)
                for thread in self.background:
                    thread.join(PATIENCE)
            if self.serves and not self.stopping and self.process.poll() is None:
                self.kill("TERM")
            self.ended()
        except Exception as error:
            self.seen["failure"].append(f"{type(error).__name__}: {error}")
        finally:
            self.reap()
        self.collect()
        return self

    def ended(self):
        """Waits until the main process has ended; it is an error if it does not."""
        if self.code is None:
            try:
                self.code = self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise StuckError(f"{self.kind} does not end") from None
        return self.code

    def reap(self):
        """Ends every process that carries the mark of this run, and tells if there were some after the end."""
        left = [pid for pid in self.marked() if pid != self.pid or self.code is None]
        if left and self.code is not None:
            try:
                self.until(lambda: not self.marked(), "the end of all processes", 5)
            except StuckError:
                self.seen["left behind"].append(f"{len(self.marked())} processes")
        for _ in range(100):
            left = self.marked()
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(TICK)
            time.sleep(TICK)

    def marked(self):
        found, mark = [], f"DIFFERENTIAL_MARK={self.mark}".encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    text = pathlib.Path(f"/proc/{entry}/environ").read_bytes()
                    if mark in text.split(b"\0") and pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2][1] != "Z":
                        found.append(int(entry))
        return found

    def descendants(self, pid=None):
        found = []
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid or self.pid}/task"):
                for child in pathlib.Path(f"/proc/{pid or self.pid}/task/{task}/children").read_text().split():
                    found += [int(child), *self.descendants(int(child))]
        return found

    # -- what a play does

    def until(self, condition, what, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while True:
            result = condition()
            if result:
                return result
            if time.monotonic() > deadline:
                text = self.text("stderr")[-3000:] + self.text("events")[-1000:]
                raise StuckError(f"{self.kind}: {what} did not come within {patience:g} s\n{text}")
            time.sleep(TICK)

    def event(self, what, times=1):
        """Until an event was written so many times, over all processes."""
        self.until(lambda: sum(e[2] == what for e in self.events()) >= times, f"event {what} {times} times")

    def settle(self):
        """Until every worker that is expected has loaded the application."""
        preload = "--preload" in self.case.args or "preload_app = True" in (self.case.conf or "")
        if preload:
            self.logged(r"Booting worker with pid", self.case.workers)
        self.event("import", 1 if preload else self.case.workers)

    def events(self):
        text = self.text("events")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def logged(self, pattern, times=1, file="stderr"):
        """Until a line of the log matches, so many times."""
        self.until(lambda: len(re.findall(pattern, self.text(file), re.M)) >= times, f"log line {pattern!r} {times} times")

    def kill(self, name, pid=None):
        self.stopping |= pid is None and name in ("TERM", "INT", "QUIT")
        os.kill(pid or self.pid, getattr(signal, "SIG" + name))

    def workers(self):
        """The pids of the workers, by the application's own word."""
        return sorted({int(e[0]) for e in self.events() if e[2] == "post_worker_init"} & set(self.descendants()))

    def gone(self, *pids):
        self.until(lambda: not [p for p in pids if alive(p)], f"the end of {pids}")

    def connect(self, path=None, port=None):
        if path:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(PATIENCE)
            s.connect(str(self.dir / path))
            return s
        return socket.create_connection(("127.0.0.1", port or self.port), PATIENCE)

    def send(self, data, answers=1, end=False, path=None, port=None, note="answers"):
        """Sends bytes on a new connection and writes down the answers."""
        with self.connect(path, port) as s:
            self.seen[note] += normal.answers(http_client.talk(s, data, answers, end), self)

    def get(self, target="/", *headers, path=None, port=None, note="answers"):
        import case as model

        self.send(model.get(target, *headers), path=path, port=port, note=note)

    def text_of(self, target="/", path=None, port=None):
        """The body of an answer, not written down."""
        import case as model

        with self.connect(path, port) as s:
            lines = http_client.talk(s, model.get(target), 1, False)
        return next((line[6:] for line in lines if line.startswith("body: ")), "")

    def later(self, target, *headers, note="background"):
        """Sends a request in the background; its answer is written down under note."""
        thread = threading.Thread(target=self._later, args=(target, headers, note), daemon=True)
        thread.start()
        self.background.append(thread)
        return thread

    def _later(self, target, headers, note):
        try:
            self.get(target, *headers, note=note)
        except OSError as error:
            self.seen[note].append(f"failed: {type(error).__name__}")

    def note(self, *words):
        self.seen["notes"].append(" ".join(map(str, words)))

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(self.fill(text))
        temporary.replace(path)

    def text(self, name):
        try:
            return (self.dir / name).read_text(errors="surrogateescape")
        except FileNotFoundError:
            return ""

    def play_group(self):
        """Plays wire cases one after another; what is logged in between belongs to the case."""
        for number, wire in enumerate(self.case.group):
            parts = wire.send if isinstance(wire.send, tuple) else (wire.send,)
            before = {name: len(self.text(name)) for name in ("stdout", "stderr")}
            try:
                with self.connect("s.sock" if "unix:" in self.case.args else None) as s:
                    lines = http_client.talk(s, b"".join(parts), wire.answers, wire.end)
                self.fence(number)
            except (OSError, StuckError) as error:
                lines = [f"failure: {type(error).__name__}: {error}"]
            self.seen[f"{wire.name}/answers"] = normal.answers(lines, self)
            access = [line for line in self.text("stdout")[before["stdout"] :].splitlines() if "/fence/" not in line]
            self.seen[f"{wire.name}/access"] = normal.access(access, self)
            self.seen[f"{wire.name}/log"] = normal.log(self.text("stderr")[before["stderr"] :], self)

    def fence(self, number):
        import case as model

        with self.connect("s.sock" if "unix:" in self.case.args else None) as s:
            lead = self.case.env.get("SCRIPT_NAME", "")
            preface = b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" if "--proxy-protocol" in self.case.args else b""
            http_client.talk(s, preface + model.get(f"{lead}/fence/{number}"), 1, False)
        self.until(lambda: f"/fence/{number} " in self.text("stdout"), "the fence's access line", 5)

    # -- what is seen in the end

    def collect(self):
        seen = self.seen
        seen["exit"] = [str(self.code)]
        if not self.case.group:
            seen["stdout"] = normal.access(self.text("stdout").splitlines(), self)
            seen["log"] = normal.log(self.text("stderr"), self)
        seen["events"] = normal.events(self.events(), self)
        for name in self.case.keep:
            for path in sorted(glob.glob(str(self.dir / name))):
                text = pathlib.Path(path).read_text(errors="surrogateescape")
                lines = normal.traceback_frames(text.splitlines(), self)
                seen[f"file {os.path.basename(path)}"] = normal.log(text, self) if "[" in text[:1] else normal.access(lines, self)
            if not glob.glob(str(self.dir / name)):
                seen[f"file {name}"] = ["is not there"]
        for name in self.case.modes:
            for path in sorted(p for p in glob.glob(str(self.dir / "*")) if fnmatch.fnmatch(os.path.basename(p), name)):
                seen["modes"].append(f"{os.path.basename(path)} {stat.filemode(os.stat(path).st_mode)}")
        for name in ("statsd", "udp"):
            if name in self.listeners:
                seen["packets"] += normal.packets(received(self.listeners[name]), self)
        for s in self.listeners.values():
            s.close()


def received(s):
    """The packets that have arrived at a socket."""
    s.setblocking(False)
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(s.recv(65536))
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][1] != "Z"
    except OSError:
        return False


def listening_sockets(pids):
    """The TCP ports and unix paths that some processes listen on, from /proc."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if target.startswith("socket:["):
                        inodes.add(target[8:-1])
    ports, paths = [], []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.append(int(fields[1].rpartition(":")[2], 16))
    for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "00010000" and fields[6] in inodes and len(fields) > 7:
            paths.append(fields[7])
    return sorted(set(ports)), paths
