"""Plays the chosen cases ahead of their tests, several at a time: they mostly wait."""

import concurrent.futures
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import table

import server

AT_ONCE = int(os.environ.get("DIFFERENTIAL_JOBS", "6"))


@pytest.fixture(scope="session")
def rows():
    return table.load()


@pytest.fixture(scope="session")
def played(request, tmp_path_factory):
    """The function that gives what both servers did in a case."""
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    folder = tmp_path_factory.mktemp("cases")
    future, order = {}, []
    for item in request.session.items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if case is not None and case.name not in future:
            future[case.name] = None
            order.append(case)
    for case in order:
        future[case.name] = {
            kind: pool.submit(
                lambda kind=kind, case=case: server.Run(kind, case, folder / kind / case.name.replace("/", "-")).exec().seen
            )
            for kind in server.kinds(case)
        }
    yield lambda case: {kind: result.result() for kind, result in future[case.name].items()}
    pool.shutdown(cancel_futures=True)


def pytest_collection_modifyitems(items):
    # The table is judged when everything else was.
    items.sort(key=lambda item: item.name.startswith("test_table"))
