"""Running one server for one cell, and load against it."""

from __future__ import annotations

import http.client
import json
import selectors
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .environment import APPS, Environment
from .procs import Group, Processes
from .servers import Launch, Place, Server

_READY_SECONDS = 40.0
_CLOSE_SECONDS = 3.0  # how long a connection may stay open that is to be closed
_ANY_CERTIFICATE = ssl.create_default_context()
_ANY_CERTIFICATE.check_hostname = False
_ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE
_WRK_SCRIPT = Path(__file__).with_name("wrk.lua")


class CellError(Exception):
    """A server or a load generator failed; the cell has no figures."""


class MissingError(Exception):
    """The server cannot be started on this machine; the message says why."""


@dataclass(frozen=True)
class Answer:
    """Answer is one page as a plain client sees it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Running:
    """Running is a started server that answers."""

    server: Server
    port: int
    group: Group
    log: Path
    secure: bool = False  # it speaks TLS
    about: dict[str, Any] = field(default_factory=dict)  # what a scenario has found out of it

    @property
    def url(self) -> str:
        """The address with its scheme, without a slash at the end."""
        return f"{'https' if self.secure else 'http'}://{self.address}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = 30.0, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Ask for a page over a connection of its own; with a body the method is POST."""
        connection = self.connect(timeout)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def connect(self, timeout: float = 30.0) -> http.client.HTTPConnection:
        """A connection of its own; a certificate is not looked at."""
        if self.secure:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=_ANY_CERTIFICATE)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def fetch(self, path: str, number: int, clients: int) -> None:
        """Ask for a page so many times, from so many clients at a time."""
        with ThreadPoolExecutor(clients) as pool:
            for answer in pool.map(lambda _: self.get(path), range(number)):
                if answer.status != 200:
                    raise CellError(f"{self.server.label}: {path} answered {answer.status}")

    def keeps_connections(self, path: str) -> bool:
        """Whether a second request over the same connection is answered, whatever the headers claim."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.auto_open = 0
        try:
            connection.connect()
            for _ in range(2):
                connection.request("GET", path)
                connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def closes_when_asked(self, path: str) -> bool:
        """Whether the connection ends behind the answer to a request that says Connection: close; without TLS."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\nConnection: close\r\n\r\n".encode("ascii"))
            if not client.recv(1):
                raise CellError(f"{self.server.label} answered nothing")
            client.settimeout(_CLOSE_SECONDS)
            try:
                while client.recv(65536):
                    pass
            except TimeoutError:
                return False
            return True

    def connections_served(self, path: str, number: int, seconds: float) -> int:
        """Of so many clients that ask once and keep their connection if they may, how many are answered within the time.

        As every proper client, they leave when the server says it will close.
        """
        with self.held(path, number, seconds) as served:
            return served

    @contextmanager
    def held(self, path: str, number: int, seconds: float) -> Iterator[int]:
        """Open so many connections, ask once over each, and keep them; the number answered within the time is given."""
        request = f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode("ascii")
        deadline = time.monotonic() + seconds
        served = 0
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            for _ in range(number):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)  # where the backlog is full, connecting takes seconds
                client.connect_ex(("127.0.0.1", self.port))
                selector.register(client, selectors.EVENT_WRITE, client)
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, ready in selector.select(left):
                    client = key.data
                    selector.unregister(client)
                    try:
                        if ready & selectors.EVENT_WRITE:
                            client.sendall(request)
                            selector.register(client, selectors.EVENT_READ, client)
                            continue
                        answer = client.recv(4096)
                    except OSError:  # refused or reset: not served
                        continue
                    served += answer.startswith(b"HTTP/1.")
                    if b"\r\nconnection: close" in answer.lower():
                        client.close()
            yield served

    def log_tail(self, lines: int = 15) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


@dataclass
class Runner:
    """Runner starts servers and load generators, all of which end with it."""

    environment: Environment
    processes: Processes = field(default_factory=Processes)
    _kept: dict[str, Running | CellError] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def hello(self, workers: int) -> Launch:
        return Launch("hello:application", APPS, workers)

    def echo(self, workers: int, timeout_seconds: int, environment: dict[str, str]) -> Launch:
        return Launch(
            "echo:application",
            APPS,
            workers,
            ready_path="/echo/ready",
            timeout_seconds=timeout_seconds,
            environment=environment,
        )

    def site(self, workers: int, preload: bool = False) -> Launch:
        return Launch("contracts.wsgi:application", self.environment.site, workers, preload=preload)

    @contextmanager
    def serve(self, server: Server, launch: Launch) -> Iterator[Running]:
        """Start a server, wait until it answers and is quiet, and end it with all its processes. It must not end before."""
        with self._started(server, launch, server.key) as running:
            yield running
            self._check(running)

    def _check(self, running: Running) -> None:
        if running.group.ended():
            raise CellError(f"{running.server.label} ended by itself:\n{running.log_tail()}")

    @contextmanager
    def _started(self, server: Server, launch: Launch, name: str) -> Iterator[Running]:
        if reason := server.why_missing(self.environment.missing):
            raise MissingError(reason)
        scratch = self.environment.build / "run" / name
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        environment = self.environment
        place = Place(_free_port(), scratch, environment.venv, environment.gounicorn, environment.nginx, APPS / "reuseport.py")
        log = scratch / "server.log"
        variables = {**environment.variables(), "PYTHONPATH": str(launch.directory), **launch.environment}
        group = Group(self.processes)
        secure = launch.edge is not None and launch.edge.certificate is not None
        running = Running(server, place.port, group, log, secure)
        try:
            for command in server.commands(launch, place, server.threads):
                group.roots.append(self.processes.spawn(command, cwd=launch.directory, env=variables, output=log))
            self._wait_until_ready(running, launch.ready_path)
            group.settle(15.0)
            yield running
        finally:
            group.stop()

    def keep(
        self, server: Server, launch: Launch, *, name: str = "", begin: Callable[[Running, Launch], None] | None = None
    ) -> Running:
        """Like serve, for a server that goes on until end_kept; begin is called once, when it has been started.

        name tells servers apart that are kept at the same time; without one it is the server's key.
        """
        name = name or server.key
        if name not in self._kept:
            try:
                running = self._stack.enter_context(self._started(server, launch, name))
                if begin is not None:
                    begin(running, launch)
                self._kept[name] = running
            except CellError as error:
                self._kept[name] = error
        kept = self._kept[name]
        if isinstance(kept, CellError):
            raise kept
        self._check(kept)
        return kept

    def end_kept(self) -> None:
        """End the servers that were kept."""
        self._kept.clear()
        self._stack.close()

    def _wait_until_ready(self, running: Running, path: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        problem = "no connection"
        while time.monotonic() < deadline:
            if running.group.ended():
                raise CellError(f"{running.server.label} ended at start:\n{running.log_tail()}")
            try:
                answer = running.get(path, timeout=max(0.1, deadline - time.monotonic()))
                if answer.status == 200:
                    return
                problem = f"status {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                problem = str(error)
            time.sleep(0.05)
        raise CellError(f"{running.server.label} was not ready in {_READY_SECONDS:.0f} s ({problem}):\n{running.log_tail()}")

    def wrk(
        self,
        url: str,
        *,
        connections: int,
        seconds: float,
        body: int = 0,
        close: bool = False,
        headers: Sequence[str] = (),
    ) -> dict[str, float]:
        """Run wrk with one thread and return its figures.

        With body the requests are POST and have so many bytes; with close each asks the server to end the connection.
        """
        whole = max(1, round(seconds))
        command = [str(self.environment.wrk), "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "10s"]
        if close:
            command += ["-H", "Connection: close"]
        for line in headers:
            command += ["-H", line]
        command += ["-s", str(_WRK_SCRIPT), url]
        if body:
            command += ["--", str(body)]
        text = self._capture(command, limit=whole + 30)
        for line in text.splitlines():
            if line.startswith("JSON "):
                figures: dict[str, float] = json.loads(line[5:])
                return figures
        raise CellError(f"wrk printed no result:\n{text}")

    def load(self, arguments: list[str], *, limit: float, tick: Callable[[int | None], None] | None = None) -> dict[str, Any]:
        """Run the load generator; tick is called every now and then, with the number of requests done when known."""
        result: dict[str, Any] = json.loads(self._capture([str(self.environment.load), *arguments], limit=limit, tick=tick))
        return result

    def program(self, command: list[str], *, cwd: Path, limit: float) -> str:
        """Run a program of the bench's venv to its end and return what it printed."""
        return self._capture(command, limit=limit, cwd=cwd)

    def _capture(
        self,
        command: list[str],
        *,
        limit: float,
        cwd: Path | None = None,
        tick: Callable[[int | None], None] | None = None,
    ) -> str:
        child = self.processes.spawn(command, cwd=cwd or self.environment.build, env=self.environment.variables())
        try:
            return _communicate(child, command, limit, tick)
        finally:
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(5)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            self.processes.forget(child)


_TICK_SECONDS = 0.05


def _communicate(
    child: subprocess.Popen[bytes], command: list[str], limit: float, tick: Callable[[int | None], None] | None
) -> str:
    assert child.stdout is not None and child.stderr is not None
    deadline = time.monotonic() + limit
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, output)
        selector.register(child.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            if time.monotonic() > deadline:
                raise CellError(f"{Path(command[0]).name} did not end within {limit:.0f} s")
            for key, _ in selector.select(_TICK_SECONDS if tick else 1.0):
                piece = key.fileobj.read1(65536)  # type: ignore[union-attr]
                if piece:
                    key.data.extend(piece)
                else:
                    selector.unregister(key.fileobj)
            if tick is not None:
                done = errors.rfind(b"done ")
                complete = errors.find(b"\n", done) if done >= 0 else -1
                tick(int(errors[done + 5 : complete]) if complete > 0 else None)
    code = child.wait(10)
    if code != 0:
        raise CellError(f"{Path(command[0]).name} failed with {code}:\n{errors.decode(errors='replace')[-2000:]}")
    return output.decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
