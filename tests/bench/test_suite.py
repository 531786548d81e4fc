"""Tests of the suite's own arithmetic: python3 -m unittest discover -s tests/bench (pytest finds them as well)."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path

from suite.kill import judge
from suite.procs import Group, Processes, Stat, stat, tree


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


if __name__ == "__main__":
    unittest.main()
