"""What an app spec names, and what a user is told when it names nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gounicorn import _apploader

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
class Site:
    def application(self, environ, start_response):
        return [b"of a site"]

def application(environ, start_response):
    return [b"plain"]

def other(environ, start_response):
    return [b"other"]

def factory(name="", *, times=1):
    return lambda environ, start_response: [name.encode() * times]

def broken_factory():
    raise TypeError("raised inside")

def nothing():
    return None

site = Site()
number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the modules that the specs name."""
    (tmp_path / "site_under_test.py").write_text(MODULE)
    (tmp_path / "fails.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit('had enough')\n")
    (tmp_path / "wrong.py").write_text("def broken(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_apploader, "_loaded", {})


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("", b"plain"),
        (":application", b"plain"),
        (":other", b"other"),
        (":site.application", b"of a site"),
        (":factory()", b""),
        (":factory('ab')", b"ab"),
        (":factory('ab', times=2)", b"abab"),
        (":factory(name='x')", b"x"),
    ],
)
def test_spec_names_application(expression: str, body: bytes) -> None:
    """Each form of a spec finds its callable."""
    app = _apploader.load(f"site_under_test{expression}")
    assert app({}, None) == [body]


def test_application_is_loaded_once() -> None:
    """A worker finds what its preloading parent loaded."""
    spec = "site_under_test:factory('a')"
    assert _apploader.load(spec) is _apploader.load(spec)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (":missing", "Failed to find attribute 'missing' in 'site_under_test'."),
        (":site.missing", "Failed to find attribute 'site.missing' in 'site_under_test'."),
        (":number", "Application object must be callable."),
        (":nothing()", "Failed to find application object: 'nothing()'"),
        (":factory(", "Failed to parse 'factory(' as an attribute name or function call."),
        (":1 + 1", "Failed to parse '1 + 1' as an attribute name or function call."),
        (":site.application()", "Function reference must be a simple name: 'site.application()'"),
        (":factory(number)", "Failed to parse arguments as literal values: 'factory(number)'"),
        (":factory(**{'times': 2})", "Failed to parse arguments as literal values: \"factory(**{'times': 2})\""),
        (":factory(1, 2, 3)", "TypeError: factory() takes from 0 to 1 positional arguments but 3 were given"),
    ],
)
def test_bad_spec_is_code_4_and_one_sentence(expression: str, message: str) -> None:
    """What is wrong with a spec is said without a traceback."""
    assert _apploader.load_or_explain(f"site_under_test{expression}") == (4, message)


def test_file_name_in_place_of_module_is_explained() -> None:
    """The most common slip gets a hint."""
    code, text = _apploader.load_or_explain("site_under_test.py")
    assert code == 3
    assert text.startswith(
        "Failed to load the application: ImportError: Failed to find application, did you mean 'site_under_test:application'?"
    )


@pytest.mark.parametrize(
    ("spec", "sentence", "shown"),
    [
        ("no_such_module", "ModuleNotFoundError: No module named 'no_such_module'", "No module named"),
        ("fails", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'", "fails.py"),
        ("leaves", "SystemExit: had enough", "leaves.py"),
        ("wrong", "SyntaxError: invalid syntax", "wrong.py"),
        ("site_under_test:broken_factory()", "TypeError: raised inside", "broken_factory"),
    ],
)
def test_failing_import_is_code_3_with_traceback(spec: str, sentence: str, shown: str) -> None:
    """The first line says what happened, the rest where, without our own frames."""
    code, text = _apploader.load_or_explain(spec)
    first, _, rest = text.partition("\n")
    assert code == 3
    assert first.startswith(f"Failed to load the application: {sentence}")
    assert shown in rest
    assert "_apploader" not in rest
