"""The table can fail: a difference that it does not list, and a row that does not hold, are both seen."""

import table


def row(**more):
    return table.Row({"title": "t", "section": "http", "why": "w", "gunicorn": "g", "gounicorn": "o"} | more)


def test_unlisted_difference_is_found():
    assert table.unexplained([], "a/b", {"log": ["x", "y"]}, {"log": ["x", "z"]}) == {"log": ["- y", "+ z"]}


def test_missing_aspect_is_found():
    assert table.unexplained([], "a/b", {"exit": ["0"]}, {}) == {"exit": ["- 0"]}


def test_row_excuses_only_what_it_names():
    rows = [row(only_gunicorn=["y"], only_gounicorn=["z"], cases=["a/*"], aspects=["log"])]
    theirs, ours = {"log": ["x", "y"]}, {"log": ["x", "z"]}
    assert not table.unexplained(rows, "a/b", theirs, ours)
    assert table.unexplained(rows, "c/b", theirs, ours)
    assert table.unexplained(rows, "a/b", {"stdout": ["y"]}, {"stdout": ["z"]})
    assert table.unexplained(rows, "a/b", theirs, {"log": ["x"]}), "half of a row is no excuse"


def test_row_for_the_whole_does_not_excuse_a_case_that_broke():
    rows = [row(only_gunicorn=["3"], only_gounicorn=["0"], cases=["a/b"], aspects=["exit"], whole=True)]
    theirs = {"exit": ["3"], "log": ["x"]}
    assert not table.unexplained(rows, "a/b", theirs, {"exit": ["0"], "log": ["y"]})
    assert table.unexplained(rows, "a/b", theirs, {"exit": ["0"], "failure": ["stuck"]})


def test_row_that_no_longer_differs_is_found():
    rows = [row(only_gunicorn=["y"], cases=["a/b", "a/c"])]
    assert len(table.stale(rows)) == 3
    table.unexplained(rows, "a/b", {"log": ["y"]}, {"log": []})
    assert table.stale(rows) == ["t: does not differ in a/c any more"]
