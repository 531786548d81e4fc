"""The set-ups of docs/migration.md: what was there before and what takes its place answer alike, from the page's own files."""

import configparser
import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import http_client
import pytest

import server

EXAMPLES = server.ROOT / "examples" / "migration"
PAGE = server.ROOT / "docs" / "migration.md"
PEERS = server.ROOT / "build" / "peers-venv" / "bin"
QUESTIONS = (
    b"GET /a%20b HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
)


class Site:
    """One set-up in a folder of its own. Closes with all its processes."""

    def __init__(self, folder, source, path=()):
        self.folder = folder
        shutil.copytree(EXAMPLES / "app", folder)
        for file in (EXAMPLES / source).iterdir():
            shutil.copy(file, folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with contextlib.suppress(FileNotFoundError):
            text = (folder / "before-nginx.conf").read_text()
            (folder / "before-nginx.conf").write_text(text.replace("SHOP_BIND", f"127.0.0.1:{self.port}"))
        tools = folder / "tools"
        tools.mkdir()
        (tools / "gounicorn").write_text(f'#!/bin/sh\nexec {shlex.join(server.command("gounicorn alone"))} "$@"\n')
        (tools / "gounicorn").chmod(0o755)
        self.environ = {
            "PATH": os.pathsep.join([str(tools), str(server.GUNICORN / "bin"), str(PEERS), os.environ["PATH"], "/usr/sbin"]),
            "HOME": str(folder), "SHOP_BIND": f"127.0.0.1:{self.port}", "SHOP_PORT": str(self.port), "PYTHONPATH": str(folder),
        }  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)

    def start(self, command):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", command], cwd=self.folder, env=self.environ, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def answers(self):
        """The status and the body of each question; the first one is asked until the site is up."""
        found = []
        for question in QUESTIONS:
            deadline = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as s:
                    lines = http_client.talk(s, question, 1, False)
                    if not any("502" in line for line in lines[:1]):
                        break
                assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(server.TICK)
            found.append([line for line in lines if line.startswith(("status: ", "body: "))])
        return found


def procfile(name):
    return "exec " + (EXAMPLES / name).read_text().split(": ", 1)[1]


def unit(name):
    """The command of a unit, without the folder where the unit has its environment, and on the test's own port."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(EXAMPLES / name)
    return "exec " + parser["Service"]["ExecStart"].removeprefix("/srv/shop/venv/bin/").replace("0.0.0.0:80", "$SHOP_BIND")


SETUPS = {
    "gunicorn": (procfile("gunicorn/before.Procfile"), procfile("gunicorn/after.Procfile")),
    "uwsgi": ("exec uwsgi --ini before.ini", "exec gounicorn --config after.conf.py"),
    "granian": ("exec sh before.sh", "exec sh after.sh"),
    "nginx": ("exec supervisord -c before-supervisor.conf", unit("nginx/after.service")),
}


@pytest.mark.parametrize("name", SETUPS)
def test_after_answers_as_before(name):
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)  # nginx drops to a user of its own and must reach the socket
        seen = [
            replies(name, moment, command, pathlib.Path(parent))
            for moment, command in zip(("before", "after"), SETUPS[name], strict=True)
        ]
    assert seen[0] == seen[1]
    assert seen[1][0][0] == "status: HTTP/1.1 200 OK", seen


def replies(name, moment, command, parent):
    with Site(parent / moment, name).start(command) as site:
        return site.answers()


def test_page_shows_the_files():
    """Every file of the examples stands on the page as it is."""
    page = PAGE.read_text()
    for path in sorted(EXAMPLES.glob("*/*")):
        if path.parent.name != "app" and path.is_file():
            assert path.read_text() in page, f"{path.relative_to(EXAMPLES)} is not on the page as it is"
