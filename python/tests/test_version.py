"""The version has one home, pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import gounicorn


def test_package_has_the_project_version() -> None:
    """The text that goes into the boot document says the same."""
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    assert gounicorn.__version__ == project["project"]["version"]
