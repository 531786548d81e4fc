"""Files of PasteDeploy: what they set, and the application they make."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from gounicorn import _apploader, _cfg, _paste

if TYPE_CHECKING:
    from pathlib import Path

INI = """
[app:main]
paste.app_factory = paste_site:make
greeting = %(word)s

[app:other]
paste.app_factory = paste_site:make
greeting = other
"""
MODULE = """
def make(global_conf, greeting):
    return lambda environ, start_response: [greeting.encode(), global_conf["here"].encode()]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file and the module with its factory."""
    (tmp_path / "paste_site.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_apploader, "_loaded", {})
    (tmp_path / "site.ini").write_text(INI)
    return tmp_path / "site.ini"


def test_the_application_is_made_with_its_variables(site):
    _cfg.use({"raw_paste_global_conf": ["word=hello"]})
    app = _apploader.load(f"paste:{site}")
    assert app({}, None) == [b"hello", str(site.parent).encode()]


def test_a_section_is_named_behind_a_hash(site):
    _cfg.use({"raw_paste_global_conf": None})
    assert _apploader.load(f"paste:{site}#other")({}, None)[0] == b"other"


def test_a_missing_package_is_one_sentence(site, monkeypatch):
    monkeypatch.setitem(sys.modules, "paste.deploy", None)
    code, text = _apploader.load_or_explain(f"paste:{site}")
    assert code == _apploader.EXIT_APP
    assert text == _paste.MISSING


def test_an_error_in_the_file_has_a_traceback(site):
    _cfg.use({"raw_paste_global_conf": None})
    code, text = _apploader.load_or_explain(f"paste:{site}#nothing")
    assert code == _apploader.EXIT_BOOT
    assert "has no section named 'nothing'" in text or "No section" in text, text


def test_what_the_file_sets(site):
    assert _paste.settings("site.ini#main", str(site.parent)) == ({"default_proc_name": str(site)}, [])
    with site.open("a") as file:
        file.write(
            textwrap.dedent("""
            [loggers]
            keys = root
            [server:main]
            use = egg:gunicorn#main
            port = 6543
            workers = %(no interpolation
            """),
        )
    found, warnings = _paste.settings(str(site), "/")
    assert found == {"default_proc_name": str(site), "logconfig": str(site)}
    assert len(warnings) == 1
    assert warnings[0].endswith("does not read [server:main], as in gunicorn; set on the command line: port, workers")


@pytest.mark.parametrize(("text", "reason"), [(None, "not found"), ("no section", "no section headers"), (b"\xff\xfe", "codec")])
def test_a_file_that_cannot_be_used(tmp_path, text, reason):
    if text is not None:
        (tmp_path / "x.ini").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(_paste.PasteError, match=reason):
        _paste.settings("x.ini", str(tmp_path))
