"""`pip install` of this project into fresh virtual environments: what it gives, and what it leaves."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DJANGO = next(
    line for line in (ROOT / "tests/python/requirements.txt").read_text().splitlines() if line.lower().startswith("django==")
)
CLEAN = {
    name: value for name, value in os.environ.items() if not name.startswith(("GOUNICORN_", "GUNICORN_", "PYTHON", "VIRTUAL_ENV"))
}
Installed = tuple[Path, set[str], Path]
QUIET = ["--quiet", "--disable-pip-version-check", "--no-input"]


def call(*command: object, **options: object) -> str:
    """Run a command to its end and return what it printed; a failure shows all of it."""
    settings = {"env": CLEAN, "timeout": 600, "cwd": "/", **options}
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **settings
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}"
    return done.stdout


def environment(folder: Path, interpreter: str) -> Path:
    """Make a virtual environment; return its folder of commands."""
    call(interpreter, "-m", "venv", folder)
    return folder / "bin"


def files(folder: Path) -> set[str]:
    """Return the names of all files of an environment, without the caches of modules."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in path.parts and not path.is_dir()}


@contextmanager
def serving(folder: Path, *command: object, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a server; give its address and process, and end it."""
    log = folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, env={**CLEAN, **variables}, stderr=out, stdout=out, text=True
        )
    try:
        address = None
        while address is None or "Ready: " not in log.read_text():
            try:
                process.wait(0.05)  # the log is a file: there is no event to wait for
            except subprocess.TimeoutExpired:
                pass
            else:
                raise AssertionError(log.read_text())
            address = re.search(r"Listening at: (http://\S+) \((\d+)\)", log.read_text())
        assert int(address[2]) == process.pid, "the command is not the server, but its parent"
        yield address[1], process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert status == 0, log.read_text()


def get(url: str) -> str:
    """Return the body of a page."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a source distribution, made in an environment of its own."""
    folder = tmp_path_factory.mktemp("sdist")
    python = environment(folder / "venv", shutil.which("python3") or "python3") / "python"
    call(python, "-m", "pip", "install", *QUIET, "build")
    call(python, "-m", "build", "--sdist", "--outdir", folder, ROOT)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def installed(interpreter: str, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return the commands of an environment with gounicorn, the files it had before, and the wheel that its pip made."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    bin_ = environment(folder, interpreter)
    call(bin_ / "python", "-m", "pip", "install", *QUIET, DJANGO)
    before = files(folder)
    call(bin_ / "python", "-m", "pip", "wheel", *QUIET, "--no-deps", "--wheel-dir", folder.parent, sdist)
    wheel = next(folder.parent.glob("*.whl"))
    call(bin_ / "python", "-m", "pip", "install", *QUIET, wheel)
    return bin_, before, wheel


def test_sdist_has_what_a_build_needs_and_no_more(sdist: Path) -> None:
    """The sources of both programs are there; tests, benchmarks and binaries are not."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"go.mod", "go.sum", "pyproject.toml", "python/build_hook.py", "cmd/gounicorn/main.go", "pyworker/gp_serve.c"} <= names
    unwanted = re.compile(r"(tests|docs|build|bin)/|.*(_test\.go$|/_bin/)")
    assert not [name for name in names if unwanted.match(name)]


def test_wheel_is_of_its_interpreter(interpreter: str, installed: Installed) -> None:
    """The wheel says which interpreter and machine it is for, and holds both programs, executable."""
    wheel = installed[2]
    short = call(interpreter, "-c", "import sys; print('cp%d%d' % sys.version_info[:2])").strip()
    assert re.fullmatch(rf"gounicorn-[\d.]+-{short}-{short}t?-linux_\w+\.whl", wheel.name)
    modes = {entry.filename: entry.external_attr >> 16 & 0o111 for entry in zipfile.ZipFile(wheel).infolist()}
    assert modes["gounicorn/_bin/gounicorn"] and modes["gounicorn/_bin/gounicorn-worker"]


def test_commands_serve(installed: Installed, tmp_path: Path) -> None:
    """Every way to start it serves under the environment's interpreter, in place of the process that was started."""
    bin_ = installed[0]
    (tmp_path / "site_of_test.py").write_text(
        "import sys, gounicorn\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [sys.prefix.encode()]\n"
        "if __name__ == '__main__':\n"
        "    gounicorn.run(application, bind='127.0.0.1:0', workers=2, raw_env=['A=1', 'B=x y'])\n"
    )
    version = call(bin_ / "gounicorn", "--version")
    assert version == call(bin_ / "python", "-m", "gounicorn", "--version") == f"gounicorn (version {version[19:-2]})\n"
    options = ["--bind", "127.0.0.1:0", "--workers", "2", "site_of_test"]
    for command in (
        [bin_ / "gounicorn", *options],
        [bin_ / "python", "-m", "gounicorn", *options],
        [bin_ / "python", "site_of_test.py"],
    ):
        with serving(tmp_path, *command) as (address, _):
            assert get(address) == str(bin_.parent), command


def test_manage_py_serves_a_project(installed: Installed, tmp_path: Path) -> None:
    """`manage.py gounicorn` finds WSGI_APPLICATION, passes options on, and works from another folder."""
    bin_ = installed[0]
    call(bin_ / "django-admin", "startproject", "shop", tmp_path)
    settings = tmp_path / "shop" / "settings.py"
    settings.write_text(settings.read_text().replace("INSTALLED_APPS = [", "INSTALLED_APPS = [\n    'gounicorn.django',"))
    other = tmp_path / "other"
    other.mkdir()
    manage = [bin_ / "python", tmp_path / "manage.py", "gounicorn"]
    with serving(other, *manage, "--bind=127.0.0.1:0", "-w2", "--settings", "shop.settings") as (address, _):
        assert "The install worked successfully" in get(address)
    assert "gounicorn" in call(bin_ / "python", tmp_path / "manage.py", "help", "--commands").split()
    assert "--workers" in call(*manage, "--help")
    settings.write_text(settings.read_text().replace("WSGI_APPLICATION =", "NO_APPLICATION ="))
    with serving(other, *manage, "--bind=127.0.0.1:0", "-w2") as (address, _):
        assert "The install worked successfully" in get(address)


def test_run_says_what_it_cannot_do(installed: Installed, tmp_path: Path) -> None:
    """An application that no module can be asked for, and a setting that is no text, are errors that name the fix."""
    bin_ = installed[0]
    for script, fix in (
        ("import gounicorn\ngounicorn.run(lambda environ, start_response: [])", "name the application as 'module:name'"),
        ("import gounicorn\ngounicorn.run('site:app', post_fork=print)", "gounicorn.conf.py"),
    ):
        (tmp_path / "script.py").write_text(script)
        done = subprocess.run(
            [bin_ / "python", "script.py"], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert fix in done.stderr.splitlines()[-1]


def test_uninstall_leaves_nothing(installed: Installed) -> None:
    """Afterwards the environment has the files it had before. Runs last, as it takes the installation away."""
    bin_, before, _ = installed
    call(bin_ / "python", "-m", "pip", "uninstall", *QUIET, "--yes", "gounicorn")
    assert files(bin_.parent) == before


def test_editable_install_serves_the_sources(tmp_path: Path) -> None:
    """`pip install -e .` builds beside the sources, which are imported from where they are. Made in a copy of the project."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("build", "bin", ".git", "_bin", "__pycache__", "staticfiles")
    shutil.copytree(ROOT, source, ignore=ignored)
    bin_ = environment(tmp_path / "venv", shutil.which("python3") or "python3")
    call(bin_ / "python", "-m", "pip", "install", *QUIET, "--editable", source)
    where = call(bin_ / "python", "-c", "import gounicorn; print(gounicorn.__file__)").strip()
    assert where == str(source / "python" / "gounicorn" / "__init__.py")
    (tmp_path / "plain.py").write_text(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"
    )
    with serving(tmp_path, bin_ / "gounicorn", "-b", "127.0.0.1:0", "plain") as (address, _):
        assert get(address) == "ok"


def test_missing_headers_are_one_sentence(tmp_path: Path) -> None:
    """Where Python's headers are missing, the install says which package has them."""
    bin_ = environment(tmp_path / "venv", shutil.which("python3") or "python3")
    call(bin_ / "python", "-m", "pip", "install", *QUIET, "hatchling>=1.27", "packaging")
    site = call(bin_ / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "sitecustomize.py").write_text(
        "import sysconfig\n"
        "real_path, real_var = sysconfig.get_path, sysconfig.get_config_var\n"
        "sysconfig.get_path = lambda name, *rest: '/nowhere' if 'include' in name else real_path(name, *rest)\n"
        "sysconfig.get_config_var = lambda name: '/nowhere' if 'INCLUDE' in name else real_var(name)\n"
    )
    command = [bin_ / "python", "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", tmp_path, ROOT]
    done = subprocess.run(command, env=CLEAN, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode != 0
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "Python.h" in line]
    assert len(said) == 1 and said[0].startswith("gounicorn: Python.h") and "-dev" in said[0], done.stdout + done.stderr
