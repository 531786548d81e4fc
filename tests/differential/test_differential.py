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
    results = played(case)
    theirs = results.pop("gunicorn")
    assert "failure" not in theirs, "\n".join(theirs["failure"])
    name = f"{case.name}/{wire.name}" if wire else case.name
    theirs = part(theirs, case, wire)
    assert theirs, "the case was not played"
    assert not case.alone or theirs["exit"] == ["0"], "a project's file must be served"
    text = []
    for kind, ours in results.items():
        found = table.unexplained(rows, name, theirs, part(ours, case, wire))
        text += [f"{aspect} of {kind}:\n  " + "\n  ".join(lines) for aspect, lines in found.items()]
    assert not text, f"gunicorn (-) and gounicorn (+) differ in {name}:\n" + "\n".join(text)


def part(seen, case, wire):
    """What belongs to one conversation of a group, or, without one, to the start as a whole."""
    if wire:
        return {k.removeprefix(wire.name + "/"): v for k, v in seen.items() if k.startswith(wire.name + "/")}
    return {k: v for k, v in seen.items() if not case.group or "/" not in k}


def test_enough_projects():
    assert len([case for case in ALL if case.alone]) >= 20


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
