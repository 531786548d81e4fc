"""Measures gounicorn beside its peers. See README.md in this directory."""

from __future__ import annotations

import argparse
import resource
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from suite.environment import REPOSITORY, SetupError, machine, prepare, versions
from suite.files import Files
from suite.growth import Growth
from suite.kill import Echo, Kill
from suite.memory import Memory
from suite.mixed import ROUTES, SLOW, Mixed
from suite.overload import Overload
from suite.progress import Progress
from suite.report import DATA, OtherMachineError, Results
from suite.runner import CellError, MissingError, Runner
from suite.scenario import Cell, Options, Scenario
from suite.servers import SERVERS
from suite.throughput import Hello, Views
from suite.transfers import Transfers

SCENARIOS: tuple[Scenario, ...] = (
    *(Hello(), Views(), Mixed(), Overload(), Growth(), Memory()),
    *(Files(), Transfers(), Kill(), Echo()),
)
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
BUILD = REPOSITORY / "build" / "bench"


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
        routes=asked.routes,
    )
    if asked.report:
        return _report(asked.json)
    chosen = [scenario for scenario in SCENARIOS if asked.only is None or scenario.name in asked.only]
    cells = [cell for scenario in chosen for cell in scenario.cells(options)]
    if asked.list:
        _list(cells)
        return 0
    try:
        return _measure(asked, chosen, cells)
    except (SetupError, OtherMachineError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: interrupted; every server has been ended", file=sys.stderr)
        return 130


def _measure(asked: argparse.Namespace, chosen: Sequence[Scenario], cells: Sequence[Cell]) -> int:
    store = asked.json or BUILD / ("quick.json" if asked.quick else DATA)
    results = Results.open(store, machine(), fresh=asked.fresh or asked.quick)
    if asked.resume:
        cells = [cell for cell in cells if not results.has(cell.scenario, cell.label)]
    servers = [SERVERS[cell.server] for cell in cells if cell.server in SERVERS]
    # The limit that servers and the load generator inherit: a thousand connections are to be kept.
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    environment = prepare(
        BUILD,
        asked.site.resolve(),
        needs={need for server in servers for need in server.needs},
        need_wrk=any(scenario.needs_wrk for scenario in chosen),
        need_site=any(scenario.needs_site for scenario in chosen),
    )
    results.begin(
        began=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        command=shlex.join(["python3", "tests/bench/bench.py", *sys.argv[1:]]),
        versions=versions(environment),
    )
    signal.signal(signal.SIGTERM, _interrupt)
    runner = Runner(environment)
    try:
        failed = _run(runner, cells, results)
    finally:
        runner.processes.close()
    print(results.markdown(SCENARIOS))
    if asked.write:
        results.publish(DOCUMENT, SCENARIOS, environment.python)
    return 1 if failed else 0


def _report(store: Path | None) -> int:
    """Write the report of what is stored, or else of the committed data, without measuring anything."""
    path = store or next((path for path in (BUILD / DATA, DOCUMENT.with_suffix("") / DATA) if path.exists()), None)
    if path is None:
        print("bench: nothing has been measured yet", file=sys.stderr)
        return 1
    Results.load(path).publish(DOCUMENT, SCENARIOS, REPOSITORY / "build" / "bench-venv" / "bin" / "python")
    print(f"{DOCUMENT.relative_to(REPOSITORY)} written from {path}")
    return 0


def _run(runner: Runner, cells: Sequence[Cell], results: Results) -> int:
    progress = Progress([cell.seconds for cell in cells])
    failed, scenario = 0, ""
    for cell in cells:
        if cell.scenario != scenario:
            runner.end_kept()
            scenario = cell.scenario
        progress.begin(cell.label)
        record = {"scenario": cell.scenario, "server": cell.server, "label": cell.label}
        try:
            figures, brief = cell.run(runner, progress)
            record |= figures
            if broken := record.get("broken"):
                failed += 1
                brief += f"; BROKEN PROMISE: {', '.join(broken)}"
        except MissingError as error:
            brief = f"not measured: {error}"
            record["missing"] = str(error)
        except CellError as error:
            failed += 1
            brief = f"failed: {error}"
            record["error"] = str(error)
        results.add(record)
        progress.end(brief)
    runner.end_kept()
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
    parser.add_argument("--rounds", type=_positive, help="rounds (default: hello and views 3, the others 1)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a cell; default: the scenario's own number")
    parser.add_argument("--visitors", type=_numbers, metavar="N,…", help="mixed: numbers of slow visitors (default 0,3,8,40,200)")
    parser.add_argument(
        "--routes", type=_names(list(ROUTES)), default=list(ROUTES), metavar="KIND,…", help="mixed: learned,new (default both)"
    )
    parser.add_argument("--slow", type=_names(list(SLOW)), default=list(SLOW), metavar="KIND,…", help="mixed: pdf,wait")
    parser.add_argument("--rate", type=float, default=50.0, help="mixed: home pages asked for a second (default 50)")
    parser.add_argument("--home", default="/", metavar="PATH", help="mixed: the fast page (default /)")
    parser.add_argument(
        "--home-keep-alive", action="store_true", help="mixed: ask for the home page over kept connections, not new ones"
    )
    parser.add_argument("--kill", type=_positive, metavar="N", help="kill: number of requests (default 10,000)")
    parser.add_argument("--echo", type=_positive, metavar="N", help="echo: number of requests (default 500,000)")
    parser.add_argument(
        "--site", type=Path, default=REPOSITORY / "examples" / "contracts", help="directory of the demo site's manage.py"
    )
    parser.add_argument(
        "--json", type=Path, help="file that keeps the results of all runs (default build/bench/results.json; --quick: its own)"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what is stored in that file")
    parser.add_argument("--resume", action="store_true", help="leave out cells that have stored figures")
    parser.add_argument(
        "--write", action="store_true", help="also write docs/benchmarks.md, its data and plots, from all that is stored"
    )
    parser.add_argument("--report", action="store_true", help="only do that, without measuring")
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
