"""Measures gounicorn beside its peers. See README.md in this directory."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from suite.environment import REPOSITORY, SetupError, machine, prepare, versions
from suite.kill import Echo, Kill
from suite.memory import Memory
from suite.mixed import SLOW, Mixed
from suite.progress import Progress
from suite.report import Results
from suite.runner import CellError, Runner
from suite.scenario import Cell, Options, Scenario
from suite.servers import SERVERS
from suite.throughput import DJANGO, HELLO

SCENARIOS: tuple[Scenario, ...] = (HELLO, DJANGO, Mixed(), Memory(), Kill(), Echo())
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code: 0 done, 1 something failed, 2 wrong usage, 130 interrupted."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    options = Options(
        servers=asked.servers,
        workers=asked.workers,
        rounds=asked.rounds,
        seconds=asked.seconds,
        visitors=asked.visitors,
        slow=asked.slow,
        rate=asked.rate,
        home=asked.home,
        home_keep_alive=asked.home_keep_alive,
        kill_requests=asked.kill,
        echo_requests=asked.echo,
        quick=asked.quick,
    )
    chosen = [scenario for scenario in SCENARIOS if asked.only is None or scenario.name in asked.only]
    cells = [cell for scenario in chosen for cell in scenario.cells(options)]
    if asked.list:
        _list(cells)
        return 0
    try:
        return _measure(asked, chosen, cells)
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: interrupted; every server has been ended", file=sys.stderr)
        return 130


def _measure(asked: argparse.Namespace, chosen: Sequence[Scenario], cells: Sequence[Cell]) -> int:
    servers = {cell.server for cell in cells}
    environment = prepare(
        REPOSITORY / "build" / "bench",
        asked.site.resolve(),
        need_wrk=any(scenario.needs_wrk for scenario in chosen),
        need_nginx="nginx" in servers,
        need_gounicorn=any(key.startswith("gounicorn") for key in servers),
        need_site=any(scenario.needs_site for scenario in chosen),
    )
    results = Results(
        path=asked.json,
        command=shlex.join(["python3", "tests/bench/bench.py", *sys.argv[1:]]),
        began=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        machine=machine(),
        versions=versions(environment),
    )
    signal.signal(signal.SIGTERM, _interrupt)
    runner = Runner(environment)
    try:
        failed = _run(runner, cells, results)
    finally:
        runner.processes.close()
    text = results.markdown(chosen)
    print(text)
    if asked.write:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(text, encoding="utf-8")
    return 1 if failed else 0


def _run(runner: Runner, cells: Sequence[Cell], results: Results) -> int:
    progress = Progress([cell.seconds for cell in cells])
    failed = 0
    for cell in cells:
        progress.begin(cell.label)
        record = {"scenario": cell.scenario, "server": cell.server, "label": cell.label}
        try:
            figures, brief = cell.run(runner, progress)
            record |= figures
            if broken := record.get("broken"):
                failed += 1
                brief += f"; BROKEN PROMISE: {', '.join(broken)}"
        except CellError as error:
            failed += 1
            brief = f"failed: {error}"
            record["error"] = str(error)
        results.add(record)
        progress.end(brief)
    return failed


def _list(cells: Sequence[Cell]) -> None:
    for cell in cells:
        print(f"{cell.seconds:6.0f} s  {cell.label}")
    total = sum(cell.seconds for cell in cells)
    print(f"{total:6.0f} s  in all, {len(cells)} cells")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument("--only", type=_names(names), metavar="SCENARIO,…", help=f"of {', '.join(names)}; default all")
    parser.add_argument(
        "--servers", type=_names(list(SERVERS)), metavar="SERVER,…", help=f"of {', '.join(SERVERS)}; default: see --list"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter cells: does everything run?")
    parser.add_argument("--list", action="store_true", help="print the cells and how long they take, and stop")
    parser.add_argument("--workers", type=_positive, help="workers of every server; default: the scenario's own number")
    parser.add_argument("--rounds", type=_positive, help="hello, django: rounds (default 5)")
    parser.add_argument("--seconds", type=float, help="hello, django, mixed: measured seconds of a cell")
    parser.add_argument("--visitors", type=_numbers, metavar="N,…", help="mixed: numbers of slow visitors (default 0,3,8,40)")
    parser.add_argument("--slow", type=_names(list(SLOW)), default=list(SLOW), metavar="KIND,…", help="mixed: pdf,wait")
    parser.add_argument("--rate", type=float, default=50.0, help="mixed: home pages asked for a second (default 50)")
    parser.add_argument("--home", default="/", metavar="PATH", help="mixed: the fast page (default /)")
    parser.add_argument(
        "--home-keep-alive", action="store_true", help="mixed: ask for the home page over kept connections, not new ones"
    )
    parser.add_argument("--kill", type=_positive, metavar="N", help="kill: number of requests (default 10,000)")
    parser.add_argument("--echo", type=_positive, metavar="N", help="echo: number of requests (default 1,000,000)")
    parser.add_argument(
        "--site", type=Path, default=REPOSITORY / "examples" / "contracts", help="directory of the demo site's manage.py"
    )
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "bench" / "results.json", help="file for the results")
    parser.add_argument("--write", action="store_true", help="also write the report to docs/benchmarks.md")
    return parser


class _names:  # noqa: N801 - used as a function
    """Reads a comma-separated list of known names."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in self._known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(self._known)}")
        return names


def _positive(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise ValueError(text)
    return number


def _numbers(text: str) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if any(number < 0 for number in numbers):
        raise ValueError(text)
    return numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
