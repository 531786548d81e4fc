"""Results: JSON after every cell, Markdown at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .scenario import Record, Scenario


@dataclass
class Results:
    """Results collects the records of one run of the bench."""

    path: Path
    command: str
    began: str
    machine: dict[str, str]
    versions: dict[str, str]
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Keep the record and rewrite the file, so that an interrupted run leaves what it has."""
        self.records.append(record)
        whole = {
            "began": self.began,
            "command": self.command,
            "machine": self.machine,
            "versions": self.versions,
            "records": self.records,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def markdown(self, scenarios: Sequence[Scenario]) -> str:
        """The whole report."""
        machine, versions = self.machine, self.versions
        names = sorted(name for name in versions if name != "commit")
        parts = [
            "# Benchmarks",
            "All servers run one after another on the same machine, each with the same number of workers, over loopback, "
            "with the load generator on the same CPUs; only the ratios between rows mean something. Access logs are off. "
            "How it is done and how to repeat it: [tests/bench/README.md](../tests/bench/README.md).",
            f"- Measured {self.began}, commit {versions['commit']}, `{self.command}`\n"
            f"- Machine: {machine['cpu']}, {machine['memory']}, Linux {machine['kernel']}, CPython {machine['python']}\n"
            f"- Versions: {', '.join(f'{name} {versions[name]}' for name in names)}",
        ]
        for scenario in scenarios:
            mine = [record for record in self.records if record["scenario"] == scenario.name]
            if mine:
                parts.append(scenario.table(mine))
        return "\n\n".join(parts) + "\n"
