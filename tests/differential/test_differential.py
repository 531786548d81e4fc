"""Both servers do the same, or the difference stands in the table."""

import pytest
import table
from cases import ALL


def flat():
    for case in ALL:
        if case.group:
            for wire in case.group:
                yield pytest.param(case, wire, id=f"{case.name}/{wire.name}")
        yield pytest.param(case, None, id=case.name)


@pytest.mark.parametrize(("case", "wire"), flat())
def test_case(case, wire, played, rows):
    seen = played(case)
    assert "failure" not in seen["gunicorn"], "\n".join(seen["gunicorn"]["failure"])
    if wire:
        name, prefix = f"{case.name}/{wire.name}", wire.name + "/"
        seen = {
            kind: {k.removeprefix(prefix): v for k, v in lines.items() if k.startswith(prefix)} for kind, lines in seen.items()
        }
        assert seen["gunicorn"], "the case was not played"
    else:
        name = case.name
        seen = {kind: {k: v for k, v in lines.items() if not case.group or "/" not in k} for kind, lines in seen.items()}
    found = table.unexplained(rows, name, seen["gunicorn"], seen["gounicorn"])
    text = "\n".join(f"{aspect}:\n  " + "\n  ".join(lines) for aspect, lines in found.items())
    assert not found, f"gunicorn (-) and gounicorn (+) differ in {name}:\n{text}"


def test_enough_cases():
    names = [param.id for param in flat()]
    assert len(names) == len(set(names))
    assert len(names) >= 150


def test_table_is_true(request, rows):
    """Only when every case was played: a row that excuses nothing is out of date."""
    chosen = {item.callspec.id for item in request.session.items if item.originalname == "test_case"}
    if chosen == {param.id for param in flat()}:
        found = table.stale(rows)
        assert not found, "\n".join(found)


def test_table_is_what_the_page_says(rows):
    assert table.PAGE.read_text() == table.page(rows), "docs/differences.md is stale; run: python tests/differential/table.py"
