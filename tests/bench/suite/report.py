"""Results: JSON after every cell, kept from run to run; Markdown, plots and the committed data made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .scenario import Record, Scenario

_PLOTS = Path(__file__).with_name("plots.py")
DATA = "results.json"


class OtherMachineError(Exception):
    """The stored results were measured on another machine than this one."""


@dataclass
class Results:
    """Results is everything measured so far: several runs, each with a part of the cells, make one report."""

    path: Path
    machine: dict[str, str]
    runs: list[dict[str, Any]] = field(default_factory=list)  # began, command, versions
    records: list[Record] = field(default_factory=list)  # each with the index of its run

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what is stored."""
        whole = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, whole["machine"], whole["runs"], whole["records"])

    @classmethod
    def open(cls, path: Path, machine: dict[str, str], *, fresh: bool) -> Results:
        """Go on with what is stored, or begin anew."""
        if fresh or not path.exists():
            return cls(path, machine)
        stored = cls.load(path)
        if stored.machine != machine:
            raise OtherMachineError(f"{path} was measured on another machine: use --fresh to forget it, or --json FILE")
        return stored

    def begin(self, began: str, command: str, versions: dict[str, str]) -> None:
        """Start a run: records added from now on belong to it."""
        self.runs.append({"began": began, "command": command, "versions": versions})

    def has(self, scenario: str, label: str) -> bool:
        """Whether that cell has been measured."""
        return any(
            record["scenario"] == scenario and record["label"] == label and "error" not in record for record in self.records
        )

    def add(self, record: Record) -> None:
        """Keep the record in place of an earlier one of the same cell, and rewrite the file: an interrupted run leaves
        what it has."""
        record["run"] = len(self.runs) - 1
        for i, old in enumerate(self.records):
            if (old["scenario"], old["label"]) == (record["scenario"], record["label"]):
                self.records[i] = record
                break
        else:
            self.records.append(record)
        self.save(self.path)

    def save(self, path: Path) -> None:
        """Write all of it, a record a line, without the runs that later ones have replaced."""
        used = sorted({record["run"] for record in self.records} | ({len(self.runs) - 1} if path == self.path else set()))
        number = {run: i for i, run in enumerate(used)}
        runs = [self.runs[run] for run in used]
        records = [{**record, "run": number[record["run"]]} for record in self.records]
        lines = [
            f'{{"machine": {_compact(self.machine)},',
            '"runs": [',
            _joined(runs),
            "],",
            '"records": [',
            _joined(records),
            "]}",
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.replace(path)

    def publish(self, document: Path, scenarios: Sequence[Scenario], python: Path) -> None:
        """Write the report, and beside it, in a folder of its name, the data and the plots drawn of them."""
        folder = document.with_suffix("")
        self.save(folder / DATA)
        done = subprocess.run(
            [python, _PLOTS, folder / DATA, folder], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(f"bench: no plots: {done.stderr.strip()[-500:]}", file=sys.stderr)
        document.write_text(self.markdown(scenarios, folder), encoding="utf-8")

    def markdown(self, scenarios: Sequence[Scenario], folder: Path | None = None) -> str:
        """The whole report; plots that are in the folder are shown."""
        machine = self.machine
        used = [run for i, run in enumerate(self.runs) if any(record["run"] == i for record in self.records)]
        names = sorted({name for run in used for name in run["versions"]} - {"commit"})
        measured = [f"- Measured {run['began']}, commit {run['versions']['commit']}, `{run['command']}`" for run in used]
        versions = [f"{name} {_either(run['versions'].get(name) for run in used)}" for name in names]
        parts = [
            "# Benchmarks",
            "All servers are asked one after another on the same machine, each with the same number of workers, over loopback, "
            "with the load generator on the same CPUs; only the ratios between rows mean something. Access logs are off. "
            "How it is done and how to repeat it: [tests/bench/README.md](../tests/bench/README.md)."
            + (f" All figures: [{folder.name}/{DATA}]({folder.name}/{DATA})." if folder else ""),
            "\n".join(
                [
                    *measured,
                    f"- Machine: {machine['cpu']}, {machine['memory']}, Linux {machine['kernel']}, CPython {machine['python']}",
                    f"- Versions: {', '.join(versions)}",
                ]
            ),
        ]
        for scenario in scenarios:
            mine = [record for record in self.records if record["scenario"] == scenario.name]
            if not mine:
                continue
            head, _, rest = scenario.table(mine).partition("\n\n")
            parts.append(head)
            for plot in scenario.plots:
                if folder and (folder / f"{plot}.svg").exists():
                    parts.append(f"![{plot}]({folder.name}/{plot}.svg)")
            parts.append(rest)
        return "\n\n".join(parts) + "\n"


def _either(versions: Iterable[str | None]) -> str:
    return " and ".join(sorted({version for version in versions if version}))


def _joined(items: Sequence[Any]) -> str:
    return ",\n".join(_compact(item) for item in items)


def _compact(item: Any) -> str:
    return json.dumps(_rounded(item), ensure_ascii=False)


def _rounded(item: Any) -> Any:
    """Four significant digits after the point are more than a measurement has."""
    if isinstance(item, float):
        return round(item, 4)
    if isinstance(item, dict):
        return {name: _rounded(value) for name, value in item.items()}
    if isinstance(item, list):
        return [_rounded(value) for value in item]
    return item
