"""Tests of the suite's own arithmetic: python3 -m unittest discover -s tests/bench (pytest finds them as well)."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import bench
from suite.environment import APPS
from suite.kill import judge
from suite.mixed import Mixed
from suite.peers import PEERS
from suite.procs import Group, Processes, Stat, stat, tree
from suite.report import OtherMachineError, Results
from suite.scenario import Options
from suite.servers import SERVERS, Launch, Place
from suite.throughput import VIEWS, Views


def _stat(pid: int, parent: int, session: int) -> Stat:
    return Stat(pid=pid, state="S", parent=parent, session=session, cpu_seconds=0, started=0)


class TestTree(unittest.TestCase):
    def test_orphans_stay_with_their_session_and_strangers_stay_out(self) -> None:
        everyone = {
            each.pid: each
            for each in (
                _stat(10, 1, 10),  # the root
                _stat(11, 10, 10),
                _stat(12, 11, 12),  # below the root in a session of its own
                _stat(13, 1, 10),  # orphaned
                _stat(20, 1, 20),
            )
        }
        self.assertEqual({each.pid for each in tree({10}, everyone)}, {10, 11, 12, 13})


class TestProcesses(unittest.TestCase):
    def test_stop_ends_a_child_that_ignores_the_request_and_left_the_session(self) -> None:
        script = (
            "import os, signal, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "    open('ready', 'w').write(str(os.getpid()))\n"
            "    os.rename('ready', 'pid')\n"
            "time.sleep(600)\n"
        )
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            group = Group(Processes())
            child = group.processes.spawn(
                [sys.executable, "-c", script], cwd=directory, env=dict(os.environ), output=directory / "log"
            )
            group.roots.append(child)
            while not (directory / "pid").exists():
                self.assertIsNone(child.poll(), "the child ended before it was ready")
            stubborn = int((directory / "pid").read_text(encoding="ascii"))
            self.assertEqual([each.pid for each in group.deepest()], [stubborn])
            self.assertEqual(group.stop(), 1)
            self.assertIsNone(stat(stubborn))


class TestJudge(unittest.TestCase):
    def test_counts_only_unstarted_requests_as_lost(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            started, outcomes = Path(name) / "started", Path(name) / "outcomes"
            started.write_text("a\nb\nc\nc\nd\nd\n", encoding="ascii")
            outcomes.write_text(
                "a POST ok\nb POST status 502\nc GET ok\nd POST ok\ne POST status 502\nf GET ok\n", encoding="ascii"
            )
            got = judge(started, outcomes)
        want = {
            "lost_not_started": 1,
            "lost_not_started_how": {"POST status 502": 1},
            "lost_get": 0,
            "lost_post": 2,
            "post_started_twice": 1,
            "answered_without_start": 1,
        }
        self.assertEqual(got, want)


_OPTIONS = Options(
    servers=None,
    workers=None,
    rounds=None,
    seconds=None,
    visitors=None,
    slow=["pdf", "wait"],
    rate=50.0,
    home="/",
    home_keep_alive=False,
    kill_requests=None,
    echo_requests=None,
    quick=False,
)
_MACHINE = {"cpu": "2 x Test", "memory": "1 GiB", "kernel": "6", "python": "3.11"}


class TestPlan(unittest.TestCase):
    def test_every_cell_has_an_identity_of_its_own(self) -> None:
        labels = [(cell.scenario, cell.label) for scenario in bench.SCENARIOS for cell in scenario.cells(_OPTIONS)]
        self.assertEqual(len(labels), len(set(labels)))

    def test_the_default_run_is_about_an_hour(self) -> None:
        total = sum(cell.seconds for scenario in bench.SCENARIOS for cell in scenario.cells(_OPTIONS))
        self.assertLess(total, 75 * 60)

    def test_rounds_interleave_the_servers(self) -> None:
        cells = Views().cells(_OPTIONS)
        servers = len({cell.server for cell in cells})
        turns = [[cell.server for cell in cells[at : at + servers]] for at in range(0, len(cells), servers)]
        self.assertEqual(turns, [turns[0]] * (len(VIEWS) * Views.rounds))
        self.assertEqual([cell.label.split()[1] for cell in cells[::servers]], [view.name for view in VIEWS] * Views.rounds)

    def test_mixed_has_every_load_of_both_rows(self) -> None:
        labels = {cell.label for cell in Mixed().cells(_OPTIONS)}
        for key in ("gounicorn", "gounicorn-4t"):
            for route in ("learned", "new"):
                for kind in ("pdf", "wait"):
                    for visitors in (3, 8, 40, 200):
                        self.assertIn(f"mixed {kind} {route} {visitors} {key} round 1", labels)
        for label in ("wait learned 200 gounicorn-mt", "wait learned 200 caddysnake", "pdf learned 40 gounicorn-nice0"):
            self.assertIn(f"mixed {label} round 1", labels)


class TestServers(unittest.TestCase):
    def test_every_server_starts_with_the_workers_asked_for(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            place = Place(8000, scratch, scratch / "venv", scratch / "gounicorn", scratch / "nginx", APPS / "reuseport.py")
            for key, server in SERVERS.items():
                with self.subTest(key):
                    words = [
                        word
                        for command in server.commands(Launch("hello:application", APPS, 7), place, server.threads)
                        for word in command
                    ]
                    self.assertIn("7", words)
                    self.assertTrue(any("hello" in word for word in words))
                    self.assertEqual(server.slots(7), 7 * server.threads)

    def test_a_missing_peer_says_why(self) -> None:
        for name in PEERS:
            self.assertEqual(SERVERS[name].why_missing({name: "no compiler"}), "no compiler")
        self.assertEqual(SERVERS["gounicorn-mt"].why_missing({"--max-threads": "too old"}), "too old")
        self.assertEqual(SERVERS["gounicorn"].why_missing({"--max-threads": "too old"}), "")


class TestResults(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "results.json"

    def run_of(self, *records: dict[str, Any]) -> Results:
        results = Results.open(self.path, _MACHINE, fresh=False)
        results.begin("today", f"bench {len(results.runs)}", {"commit": f"c{len(results.runs)}", "gunicorn": "27"})
        for record in records:
            results.add({"scenario": "kill", "server": "gounicorn", **record})
        return Results.load(self.path)

    def test_runs_merge_and_a_cell_measured_again_takes_its_place(self) -> None:
        self.run_of({"label": "a", "x": 1}, {"label": "b", "x": 2})
        got = self.run_of({"label": "b", "x": 3}, {"label": "c", "x": 4})
        self.assertEqual([(r["label"], r["x"], r["run"]) for r in got.records], [("a", 1, 0), ("b", 3, 1), ("c", 4, 1)])
        got = self.run_of({"label": "a", "x": 5})
        self.assertEqual([run["command"] for run in got.runs], ["bench 1", "bench 2"], "a run without records is forgotten")

    def test_a_run_goes_on_where_it_stopped(self) -> None:
        got = self.run_of({"label": "a"}, {"label": "b", "error": "it fell"})
        self.assertEqual([got.has("kill", label) for label in ("a", "b", "c")], [True, False, False])

    def test_figures_of_another_machine_are_not_mixed_in(self) -> None:
        self.run_of({"label": "a"})
        other = {**_MACHINE, "cpu": "64 x Test"}
        with self.assertRaises(OtherMachineError):
            Results.open(self.path, other, fresh=False)
        self.assertEqual(Results.open(self.path, other, fresh=True).records, [])

    def test_the_file_has_a_record_a_line_and_is_never_half_written(self) -> None:
        self.run_of({"label": "a", "x": 1.23456789}, {"label": "b"})
        text = self.path.read_text(encoding="utf-8")
        self.assertEqual(json.loads(text)["records"][0]["x"], 1.2346)
        self.assertEqual(sum('"label"' in line for line in text.splitlines()), 2)
        self.assertFalse(self.path.with_suffix(".partial").exists())


class TestTables(unittest.TestCase):
    """The figures are those of the records; a server that could not be measured stands there with its reason."""

    def mixed(self, label: str, server: str, **figures: Any) -> dict[str, Any]:
        return {"scenario": "mixed", "server": server, "label": f"mixed {label} {server} round 1", **figures}

    def figures(self, p99: float, visitors: int, slow: float) -> dict[str, Any]:
        home = {"due": 100, "answered": 100, "goodput": 50.0, "p50_ms": p99 / 2, "p99_ms": p99, "max_ms": p99, "errors": {}}
        return {
            "visitors": visitors,
            "slots": 4,
            "rate": 50.0,
            "home_cpu_ms": 8.0,
            "home": home,
            "slow": {"per_second": slow, "mean_ms": 1000.0, "max_ms": 2000.0, "errors": {}},
        }

    def test_mixed_compares_with_the_own_idle_row_and_the_best_peer_of_as_many_slots(self) -> None:
        records = [
            self.mixed("pdf learned 8", "gounicorn", **self.figures(30.0, 8, 3.9)),
            self.mixed("pdf learned 8", "granian", **self.figures(900.0, 8, 4.0)),
            self.mixed("pdf learned 8", "granian-4t", **self.figures(900.0, 8, 9.0)),
            self.mixed("pdf learned 8", "caddysnake", missing="no CPython | here"),
            self.mixed("idle", "gounicorn", **self.figures(20.0, 0, 0.0)),
        ]
        text = Mixed().table(records)
        self.assertLess(text.index("**nobody else**"), text.index("**8 visitors"))
        ours = next(line for line in text.splitlines() if line.startswith("| gounicorn |") and "3.90" in line)
        cells = [cell.strip() for cell in ours.split("|")[1:-1]]
        self.assertEqual(cells[2:5], ["15.0 / 30.0 / 30.0", "1.5 / 1.5 / 1.5", "50.0"])
        self.assertEqual(cells[6:10], ["3.90", "0.97", "1.0 / 2.0", "2.0"])
        self.assertIn("not measured: no CPython / here", text)

    def test_views_show_a_kind_that_failed(self) -> None:
        good = {"rps": 10.0, "cpu_us": 5.0, "p50_ms": 1.0, "p99_ms": 2.0, "errors": 0}
        records: list[dict[str, Any]] = []
        for view in VIEWS:
            record = {"server": "nginx", "view": view.name, "slots": 4, "connections_served": 16}
            records.append(record | ({"missing": "413 too large"} if view.name == "upload" else good))
        text = Views().table(records)
        self.assertIn("| nginx + gunicorn sync | not measured: 413 too large |", text)
        self.assertEqual(text.count("| 10.0 | 10.0–10.0 |"), len(VIEWS) - 1)

    def test_who_lets_clients_wait_for_ever_is_no_best_peer(self) -> None:
        def records(server: str, rps: float, served: int) -> list[dict[str, Any]]:
            figures = {"rps": rps, "cpu_us": 5.0, "p50_ms": 1.0, "p99_ms": 2.0, "errors": 0}
            return [{"server": server, "view": view.name, "connections_served": served, **figures} for view in VIEWS]

        text = Views().table(records("gounicorn", 100, 16) + records("granian", 80, 16) + records("uwsgi", 200, 4))
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
        last = {cell[0].split()[0].rstrip(","): cell[-2:] for cell in cells}
        self.assertEqual(last["gounicorn"], ["1.25", "16 of 16"])
        self.assertEqual(last["granian"], ["1.00", "16 of 16"])
        self.assertEqual(last["uWSGI"], ["2.50", "4 of 16"])

    def test_no_table_falls_over_a_server_that_failed(self) -> None:
        for scenario in bench.SCENARIOS:
            with self.subTest(scenario.name):
                cells = scenario.cells(_OPTIONS)
                records = [
                    {"scenario": cell.scenario, "server": cell.server, "label": cell.label, **lost}
                    for cell, lost in zip(cells, [{"error": "it fell"}, {"missing": "none"}] * len(cells), strict=False)
                ]
                self.assertIn(scenario.name, scenario.table(records))


if __name__ == "__main__":
    unittest.main()
