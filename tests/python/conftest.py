"""Runs a torture server for each peer and for gounicorn, if it has been built."""

import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
APPS = ROOT / "tests" / "apps"
BIND = "127.0.0.1:0"
READY = {"gounicorn": r"Ready: ", "gunicorn": r"Booting worker", "waitress": r"Serving on"}
ADDRESS = re.compile(r"(?:Listening at:|Serving on) http://([\d.]+):(\d+)")


def binary():
    return pathlib.Path(os.environ.get("GOUNICORN_BIN", ROOT / "bin" / "gounicorn"))


class Server:
    """One server process on a free port, up once its log says so."""

    def __init__(self, kind, app):
        flags = {
            "gounicorn": [str(binary()), "--python", sys.executable, "-b", BIND, "-w", "1", app],
            "gunicorn": [sys.executable, "-m", "gunicorn", "--no-control-socket", "-b", BIND, "-k", "gthread", app],
            "waitress": [sys.executable, "-m", "waitress", "--listen", BIND, app],
        }
        self.kind = kind
        self.lines = []
        self._ready = threading.Event()
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(APPS), "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(flags[kind], cwd=APPS, env=environ, stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._ready.wait(30) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError(f"{kind} does not start:\n" + self.log())

    def _read(self):
        for raw in self._process.stderr:
            line = raw.decode("utf-8", "replace")
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found:
                self.host, self.port = found[1], int(found[2])
            if re.search(READY[self.kind], line):
                self._ready.set()
        self._ready.set()

    def log(self):
        return "".join(self.lines)

    def stop(self):
        self._process.terminate()
        self._process.wait(20)
        self._reader.join()


def servers():
    return [kind for kind in ("gounicorn", "gunicorn", "waitress") if kind != "gounicorn" or binary().exists()]


@pytest.fixture(scope="session")
def serve():
    """Starts servers on demand, one per kind and application, and stops them at the end."""
    running = {}

    def start(kind, app):
        if (kind, app) not in running:
            running[kind, app] = Server(kind, app)
        return running[kind, app]

    yield start
    for server in running.values():
        server.stop()
