"""What a scenario is: cells to run one after another, each giving one record, and a table made of the records."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .progress import Progress
from .runner import Runner
from .servers import SERVERS

Record = dict[str, Any]

START_STOP_SECONDS = 3.5  # what starting, settling and ending a server takes; for estimates only


@dataclass(frozen=True)
class Options:
    """Options is what the command line asks for. None leaves the choice to the scenario."""

    servers: Sequence[str] | None
    workers: int | None
    rounds: int | None
    seconds: float | None
    visitors: Sequence[int] | None
    slow: Sequence[str]
    rate: float
    home: str
    home_keep_alive: bool
    kill_requests: int | None
    echo_requests: int | None
    quick: bool
    routes: Sequence[str] = ("learned", "new")

    def chosen(self, default: Sequence[str]) -> list[str]:
        return list(self.servers) if self.servers is not None else list(default)


@dataclass(frozen=True)
class Cell:
    """Cell is one measurement. run returns the record's figures and a few words for the progress line.

    Scenario and label are its identity: measured again, its record takes the place of the earlier one.
    """

    scenario: str
    server: str
    label: str
    seconds: float
    run: Callable[[Runner, Progress], tuple[Record, str]]


class Scenario(Protocol):
    """Scenario plans cells and turns their records into Markdown.

    plots are the names of the figures that plots.py draws of its records.
    """

    @property
    def name(self) -> str: ...

    @property
    def plots(self) -> tuple[str, ...]: ...

    @property
    def needs_site(self) -> bool: ...

    @property
    def needs_wrk(self) -> bool: ...

    def cells(self, options: Options) -> list[Cell]: ...

    def table(self, records: Sequence[Record]) -> str: ...


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def by_server(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records grouped by server, in the order of the table of servers: a run in parts gives the same report."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["server"], []).append(record)
    order = list(SERVERS)
    return dict(sorted(groups.items(), key=lambda item: order.index(item[0]) if item[0] in SERVERS else -1))


def measured(records: Sequence[Record]) -> list[Record]:
    """The records that have figures."""
    return [record for record in records if "error" not in record and "missing" not in record]


def without_figures(records: Sequence[Record]) -> str:
    """What stands in a row that has no figures."""
    reason = next((record["missing"] for record in records if "missing" in record), "")
    return f"not measured: {reason.replace('|', '/')}" if reason else "failed"


def median(records: Sequence[Record], *path: str) -> float:
    """The median of a figure, found by its path in each record."""
    return statistics.median(_figure(record, path) for record in records)


def spread(records: Sequence[Record], *path: str) -> tuple[float, float]:
    """The lowest and the highest value of a figure."""
    values = [_figure(record, path) for record in records]
    return min(values), max(values)


def _figure(record: Record, path: tuple[str, ...]) -> float:
    value: Any = record
    for name in path:
        value = value[name]
    return float(value)


def reasons(errors: dict[str, int]) -> str:
    """Failures in a few words, the most frequent first."""
    return ", ".join(f"{count} x {name}" for name, count in sorted(errors.items(), key=lambda item: -item[1]))
