"""The build flags of the running interpreter, and what is said when it cannot be built for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cgoflags


def test_flags_are_of_this_interpreter() -> None:
    """The headers and the library are those of the interpreter that runs the script."""
    found = cgoflags.flags()
    assert (Path(found.include) / "Python.h").is_file()
    assert Path(found.libpython).is_file()
    assert found.version == sys.version.split()[0]
    assert f"python{sys.version_info.major}.{sys.version_info.minor}" in " ".join(found.ldflags)


def test_words_are_quoted_for_the_go_command() -> None:
    """A path with a space stays one word."""
    assert cgoflags.quote(["-I/a b", "-Dx", '-DY="1"']) == "'-I/a b' -Dx '-DY=\"1\"'"


def test_static_library_is_linked_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extension modules need every symbol of libpython, exported by the executable."""
    values = {"LDLIBRARY": "libpython.a", "LIBRARY": "libpython.a", "LIBDIR": str(tmp_path), "LIBS": "-ldl", "SYSLIBS": "-lm"}
    monkeypatch.setattr(cgoflags, "_config", lambda name: values.get(name, ""))
    (tmp_path / "libpython.a").touch()
    library, ldflags = cgoflags.link()
    assert library == tmp_path / "libpython.a"
    assert ldflags[2:] == ["-Wl,--whole-archive", str(library), "-Wl,--no-whole-archive", "-ldl", "-lm"]


@pytest.mark.parametrize("what", ["Python.h", "libpython"])
def test_missing_parts_are_named_with_the_fix(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says what is not there and what to install."""
    monkeypatch.setattr(cgoflags, "_config", lambda name: str(tmp_path) if name.endswith(("DIR", "PY")) else "libpython.so")
    monkeypatch.setattr(cgoflags.sys, "base_prefix", str(tmp_path))
    if what == "Python.h":
        monkeypatch.setattr(cgoflags.sysconfig, "get_path", lambda _: str(tmp_path))
    assert cgoflags.main(["--cflags"]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"cgoflags.py: {what}")
    assert "-dev" in message
    assert "--enable-shared" in message
    assert message.count("\n") == 1


def test_the_header_is_a_copy_named_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkouts share it; an edit gives another name; without a cache it is the one of the checkout."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = cgoflags.compat()
    assert copy.parent == tmp_path / "cache" / "gounicorn"
    assert copy.read_bytes() == cgoflags.COMPAT.read_bytes()
    copy.write_text("spoilt")
    assert cgoflags.compat() == copy
    assert copy.read_bytes() == cgoflags.COMPAT.read_bytes()
    edited = tmp_path / "cpy3_compat.h"
    edited.write_text("/* another */")
    monkeypatch.setattr(cgoflags, "COMPAT", edited)
    assert cgoflags.compat() not in {copy, edited}
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert cgoflags.compat() == edited
