"""What a config file says, as the master is told."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gounicorn import _config

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = ["bind", "logconfig_dict", "on_starting", "preload_app", "raw_env", "worker_class", "workers"]
HOOKS = ["on_starting", "pre_fork"]


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def read(path: Path, text: str) -> _config.Config:
    path.write_text(text)
    return _config.evaluate(str(path), SETTINGS, HOOKS)


def test_no_file_says_nothing() -> None:
    assert _config.evaluate("", SETTINGS, HOOKS).document() == {"path": "", "values": {}, "unknown": [], "warnings": []}


def test_values_are_what_json_carries(tmp_path: Path) -> None:
    config = read(
        tmp_path / "gunicorn.conf.py",
        """
import multiprocessing, os, pathlib
workers = multiprocessing.cpu_count() * 0 + 3
bind = (b"127.0.0.1:1", pathlib.Path("/run/x"))
raw_env = {"B=2", "A=1"}
preload_app = None
worker_class = type("Own", (), {})
logconfig_dict = {"version": 1, 5: float("nan"), "stream": os.path.join}
def on_starting(server, extra=None): pass
""",
    )
    document = json.loads(json.dumps(config.document()))
    assert document["path"] == str(tmp_path / "gunicorn.conf.py")
    assert document["unknown"] == document["warnings"] == []
    values = document["values"]
    assert values.pop("logconfig_dict") == {
        "version": 1,
        "5": "nan",
        "stream": {"$callable": "posixpath.join", "arity": [1, None]},
    }
    assert values.pop("worker_class")["$callable"] == "__config__.Own"
    assert values == {
        "workers": 3,
        "bind": ["127.0.0.1:1", "/run/x"],
        "raw_env": ["A=1", "B=2"],
        "preload_app": None,
        "on_starting": {"$callable": "__config__.on_starting", "arity": [1, 2]},
    }


def test_hooks_stay_functions_and_share_the_module(tmp_path: Path) -> None:
    config = read(tmp_path / "gunicorn.conf.py", "seen = []\ndef on_starting(server):\n    seen.append(server)\n")
    config.call("on_starting", "the server")
    config.call("pre_fork", "nobody listens")
    assert sys.modules["__config__"].seen == ["the server"]


def test_hook_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("def start(server): return 'started'\n")
    config = read(tmp_path / "gunicorn.conf.py", "on_starting = 'elsewhere.start'\n")
    assert config.hooks["on_starting"](None) == "started"
    assert config.document()["values"]["on_starting"] == {"$callable": "elsewhere.start", "arity": [1, 1]}


def test_only_names_that_may_be_meant_are_unknown(tmp_path: Path) -> None:
    config = read(
        tmp_path / "gunicorn.conf.py",
        "import os, sys as bindd\nfrom os.path import join\n_private = 1\nPRELOAD_APP = True\nworker = 2\n"
        "class Helper: pass\ndef on_start(server): pass\nenviron = os.environ\n",
    )
    assert config.unknown == ["PRELOAD_APP", "worker", "on_start"]


def test_module_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "site_config.py").write_text("workers = 7\n")
    config = _config.evaluate("python:site_config", SETTINGS, HOOKS)
    assert (config.path, config.values) == (str(tmp_path / "site_config.py"), {"workers": 7})


def test_other_suffix_is_read_with_a_warning(tmp_path: Path) -> None:
    config = read(tmp_path / "site.cfg", "workers = 7\n")
    assert config.values == {"workers": 7}
    assert config.warnings == [f"configuration file should have a valid Python extension: {tmp_path / 'site.cfg'}"]


def test_an_edit_of_the_same_length_within_a_second_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "gunicorn.conf.py"
    assert [read(path, f"workers = {n}\n").values["workers"] for n in range(5)] == list(range(5))
    assert not (tmp_path / "__pycache__").exists()


def test_value_that_holds_itself_is_cut(tmp_path: Path) -> None:
    config = read(tmp_path / "gunicorn.conf.py", "logconfig_dict = {}\nlogconfig_dict['self'] = logconfig_dict\n")
    assert '"$callable": "builtins.dict"' in json.dumps(config.document())


@pytest.mark.parametrize(
    ("text", "code", "wanted"),
    [
        ("workers = (\n", 1, ["Failed to read config file: ", "Traceback (most recent call last):", "SyntaxError: '(' was"]),
        ("import nothing_here\n", 1, ["Failed to read config file: ", "line 1, in <module>", "No module named 'nothing_here'"]),
        ("raise SystemExit(7)\n", 7, ["called sys.exit(7)"]),
        ("raise SystemExit('no licence')\n", 1, ["no licence"]),
        ("on_starting = 'start'\n", 1, ["Invalid value for on_starting: start", "Value 'start' is not import string."]),
        ("on_starting = 'nothing_here.start'\n", 1, ["No module named 'nothing_here'"]),
        ("on_starting = 'json.start'\n", 1, ["Can not load 'start' from 'json'"]),
        ("on_starting = 5\n", 1, ["Value is not callable: 5"]),
    ],
)
def test_what_cannot_be_used_is_explained(tmp_path: Path, text: str, code: int, wanted: list[str]) -> None:
    with pytest.raises(_config.ConfigError) as raised:
        read(tmp_path / "gunicorn.conf.py", text)
    assert raised.value.code == code
    for part in wanted:
        assert part in str(raised.value)
    assert "importlib" not in str(raised.value)


def test_what_json_cannot_carry_is_kept_unless_something_else_is_chosen(tmp_path: Path) -> None:
    text = """
        class Own: pass
        worker_class = Own
        workers = 3
        raw_env = ["A=1"]
        logconfig_dict = {"version": 1, "formatters": {"f": {"()": Own}}, "filters": [Own]}
        """
    config = read(tmp_path / "gunicorn.conf.py", textwrap.dedent(text))
    final = json.loads(json.dumps(config.document()))["values"]
    final["worker_class"] = final["worker_class"]["$callable"]
    kept = config.objects(final)
    own = sys.modules["__config__"].Own
    assert kept == {
        "worker_class": own,
        "logconfig_dict": {"version": 1, "formatters": {"f": {"()": own}}, "filters": [own]},
    }
    assert list(config.objects({**final, "worker_class": "sync"})) == ["logconfig_dict"]
