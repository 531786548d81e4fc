"""Fixtures: the compiled module, and worker processes that are gone when a test ends."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from master import Worker

from build import build


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the compiled module."""
    cache = os.environ.get("GOUNICORN_TEST_BUILD")
    return build(Path(cache) if cache else tmp_path_factory.mktemp("build"))


@pytest.fixture
def start(module: Path):
    """Starts workers: start("app name", threads=2, ...)."""
    workers = []

    def run(app: str, **kwargs) -> Worker:
        workers.append(Worker(module, app, **kwargs))
        return workers[-1]

    yield run
    for worker in workers:
        worker.destroy()
