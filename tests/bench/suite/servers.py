"""The servers compared: one table, one line of command each.

A "Python slot" is a place where the application can run: workers x threads. Scenarios give every server the same number
of workers; rows that differ in threads say so in their label, and are compared with rows of as many slots.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import peers


@dataclass(frozen=True)
class Launch:
    """Launch is what a scenario wants started."""

    app: str  # module:callable
    directory: Path
    workers: int
    ready_path: str = "/"
    preload: bool = False
    timeout_seconds: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    edge: Edge | None = None


@dataclass(frozen=True)
class Edge:
    """Edge is what the server that faces the clients does besides: files under FILES_PREFIX, TLS, clients that stay long."""

    files: Path
    certificate: Path | None = None  # PEM with the key behind it; without one the server speaks plain HTTP


FILES_PREFIX = "/files/"
EDGE_SERVERS = ("gounicorn", "nginx")  # those that have an edge


@dataclass(frozen=True)
class Place:
    """Place is where a server finds its programs, its port and a directory of its own."""

    port: int
    scratch: Path
    venv: Path
    gounicorn: Path
    nginx: Path | None
    reuseport: Path  # apps/reuseport.py

    def program(self, name: str) -> str:
        peer = name.partition("-")[0]
        venv = peers.venv_of(peer, self.venv) if peer in peers.PEERS else self.venv
        return str(venv / "bin" / name)


Command = list[str]


@dataclass(frozen=True)
class Server:
    """Server is a row of the table. The function returns the programs to start, in order."""

    key: str
    label: str
    threads: int
    commands: Callable[[Launch, Place, int], list[Command]]
    needs: tuple[str, ...] = ()  # peers, programs and flags without which it cannot be started

    @property
    def ours(self) -> bool:
        return self.key.startswith("gounicorn")

    def why_missing(self, missing: dict[str, str]) -> str:
        """Why it cannot be started on this machine, or nothing."""
        return next((missing[need] for need in self.needs if need in missing), "")

    def slots(self, workers: int) -> int:
        return workers * self.threads


def _gounicorn(*options: str) -> Callable[[Launch, Place, int], list[Command]]:
    def commands(launch: Launch, place: Place, threads: int) -> list[Command]:
        command = [str(place.gounicorn), "-w", str(launch.workers), "-b", f"127.0.0.1:{place.port}", *options]
        if threads > 1 and not options:
            command += ["--threads", str(threads)]
        if launch.preload:
            command.append("--preload")
        if launch.timeout_seconds is not None:
            command += ["--timeout", str(launch.timeout_seconds)]
        if launch.edge is not None:
            command += ["--static", f"{FILES_PREFIX}={launch.edge.files}", "--keep-alive", "75", "--max-connections", "20000"]
            if launch.edge.certificate is not None:
                command += ["--certfile", str(launch.edge.certificate), "--keyfile", str(launch.edge.certificate)]
        return [[*command, launch.app]]

    return commands


def _gunicorn_to(bind: str, launch: Launch, place: Place, options: list[str]) -> Command:
    command = [place.program("gunicorn"), "-w", str(launch.workers), "-b", bind, "--no-control-socket", *options]
    if launch.preload:
        command.append("--preload")
    if launch.timeout_seconds is not None:
        command += ["--timeout", str(launch.timeout_seconds)]
    return [*command, launch.app]


def _gunicorn(launch: Launch, place: Place, threads: int) -> list[Command]:
    return [_gunicorn_to(f"127.0.0.1:{place.port}", launch, place, [])]


def _gthread(launch: Launch, place: Place, threads: int) -> list[Command]:
    options = ["-k", "gthread", "--threads", str(threads)]
    return [_gunicorn_to(f"127.0.0.1:{place.port}", launch, place, options)]


def _granian(launch: Launch, place: Place, threads: int) -> list[Command]:
    command = [place.program("granian"), "--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "warning"]
    command += ["--host", "127.0.0.1", "--port", str(place.port)]
    command += ["--workers", str(launch.workers), "--blocking-threads", str(threads)]
    return [[*command, launch.app]]


def _uwsgi(socket: str, *options: str) -> Callable[[Launch, Place, int], list[Command]]:
    def commands(launch: Launch, place: Place, threads: int) -> list[Command]:
        command = [place.program("uwsgi"), socket, f"127.0.0.1:{place.port}", *options, "--master", "--need-app", "--die-on-term"]
        command += ["--processes", str(launch.workers), "--disable-logging", "--virtualenv", str(place.venv)]
        if threads > 1:
            command += ["--threads", str(threads)]
        if launch.timeout_seconds is not None:
            command += ["--harakiri", str(launch.timeout_seconds)]
        return [[*command, "--module", launch.app]]

    return commands


_NGINX = """\
daemon off;
user {user};
worker_processes auto;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx.log warn;
worker_rlimit_nofile 40000;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000 inactive=60s;
    include /etc/nginx/mime.types;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    upstream app {{ server unix:{scratch}/gunicorn.sock fail_timeout=0; }}
    server {{
        listen 127.0.0.1:{port}{tls} backlog=2048;
        keepalive_requests 1000000;
        client_max_body_size 0;
{files}
        location / {{
            proxy_pass http://app;
            proxy_buffering on;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def _nginx(launch: Launch, place: Place, threads: int) -> list[Command]:
    assert place.nginx is not None
    config = place.scratch / "nginx.conf"
    tls = files = ""
    if launch.edge is not None:
        files = f"        location {FILES_PREFIX} {{ alias {launch.edge.files}/; gzip_static on; }}\n"
        if launch.edge.certificate is not None:
            tls = " ssl http2"
            files += (
                f"        ssl_certificate {launch.edge.certificate};\n        ssl_certificate_key {launch.edge.certificate};\n"
            )
    text = _NGINX.format(user=getpass.getuser(), scratch=place.scratch, port=place.port, tls=tls, files=files)
    config.write_text(text, encoding="utf-8")
    gunicorn = _gunicorn_to(f"unix:{place.scratch}/gunicorn.sock", launch, place, [])
    return [gunicorn, [str(place.nginx), "-e", f"{place.scratch}/nginx.log", "-c", str(config)]]


def _reuseport(name: str) -> Callable[[Launch, Place, int], list[Command]]:
    def commands(launch: Launch, place: Place, threads: int) -> list[Command]:
        command = [place.program("python"), str(place.reuseport), name, str(launch.workers), str(place.port), launch.app]
        return [command]

    return commands


def _mod_wsgi(launch: Launch, place: Place, threads: int) -> list[Command]:
    module, _, name = launch.app.partition(":")
    command = [place.program("mod_wsgi-express"), "start-server", "--application-type", "module", module]
    command += ["--callable-object", name, "--host", "127.0.0.1", "--port", str(place.port)]
    command += ["--processes", str(launch.workers), "--threads", str(threads), "--max-clients", "256"]
    command += ["--server-root", str(place.scratch / "apache"), "--working-directory", str(launch.directory)]
    command += ["--python-path", str(launch.directory), "--locale", "C.UTF-8", "--log-to-terminal", "--disable-reloading"]
    if os.geteuid() == 0:
        # Apache runs no application as root, and another user may not read this checkout; in a user namespace of its own
        # it has another number and still owns what root owns.
        command = ["unshare", "--user", "--map-user=65534", "--map-group=65534", *command]
    return [command]


# What caddysnake's worker computes for itself; there is no option for it.
CADDYSNAKE_THREADS = min(128, (os.cpu_count() or 1) * 8 + 16)


def _caddysnake(launch: Launch, place: Place, threads: int) -> list[Command]:
    command = ["env", f"TMPDIR={place.scratch}", f"XDG_DATA_HOME={place.scratch}", f"XDG_CONFIG_HOME={place.scratch}"]
    command += [place.program("caddysnake"), "--server-type", "wsgi", "--app", launch.app, "--workers", str(launch.workers)]
    command += ["--listen", f"127.0.0.1:{place.port}", "--working-dir", str(launch.directory)]
    return [[*command, "--python-path", place.program("python")]]


_MAX_THREADS = 64

SERVERS = {
    server.key: server
    for server in (
        Server("gounicorn", "gounicorn", 1, _gounicorn(), ("gounicorn",)),
        Server("gounicorn-4t", "gounicorn, 4 threads", 4, _gounicorn(), ("gounicorn",)),
        Server(
            "gounicorn-mt",
            f"gounicorn, up to {_MAX_THREADS} threads",
            _MAX_THREADS,
            _gounicorn("--threads", "4", "--max-threads", str(_MAX_THREADS)),
            ("gounicorn", "--max-threads"),
        ),
        Server(
            "gounicorn-nice0",
            "gounicorn, slow work not nice",
            1,
            _gounicorn("--slow-nice", "0"),
            ("gounicorn", "--slow-nice"),
        ),
        Server("gounicorn-preload", "gounicorn --preload (as uWSGI by default)", 1, _gounicorn("--preload"), ("gounicorn",)),
        Server("gunicorn", "gunicorn sync", 1, _gunicorn),
        Server("gthread", "gunicorn gthread, 1 thread", 1, _gthread),
        Server("gthread-4t", "gunicorn gthread, 4 threads", 4, _gthread),
        Server("granian", "granian, 1 blocking thread", 1, _granian),
        Server("granian-4t", "granian, 4 blocking threads", 4, _granian),
        Server("uwsgi", "uWSGI --http11-socket (keep-alive)", 1, _uwsgi("--http11-socket")),
        Server("uwsgi-close", "uWSGI --http-socket (no keep-alive)", 1, _uwsgi("--http-socket")),
        Server("uwsgi-http", "uWSGI --http (its router, keep-alive)", 1, _uwsgi("--http", "--http-keepalive=75")),
        Server("bjoern", "bjoern, processes by SO_REUSEPORT", 1, _reuseport("bjoern"), ("bjoern",)),
        Server("fastwsgi", "fastwsgi, processes by SO_REUSEPORT", 1, _reuseport("fastwsgi"), ("fastwsgi",)),
        Server("mod_wsgi", "mod_wsgi-express (Apache)", 1, _mod_wsgi, ("mod_wsgi",)),
        Server(
            "caddysnake",
            f"caddysnake, {CADDYSNAKE_THREADS} threads (fixed)",
            CADDYSNAKE_THREADS,
            _caddysnake,
            ("caddysnake",),
        ),
        Server("nginx", "nginx + gunicorn sync", 1, _nginx, ("nginx",)),
    )
}
