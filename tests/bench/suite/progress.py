"""One line that says what is being measured and how long the rest will take."""

from __future__ import annotations

import sys
import time

_TRUSTED_SECONDS = 20.0  # after so much measuring, the pace so far corrects the estimates


class Progress:
    """Progress counts cells, each with an estimate of its seconds.

    On a terminal it rewrites one line; elsewhere it prints a line for each finished cell.
    """

    def __init__(self, estimates: list[float]) -> None:
        self._estimates = estimates
        self._done = 0
        self._what = ""
        self._began = self._cell_began = time.monotonic()
        self._live = sys.stderr.isatty()

    def begin(self, what: str) -> None:
        """Announce the next cell."""
        self._what = what
        self._cell_began = time.monotonic()
        self._show("")

    def detail(self, text: str) -> None:
        """Say how far the current cell is."""
        self._show(text)

    def end(self, result: str) -> None:
        """Close the current cell with its result in a few words."""
        if self._live:
            self._clear()
        self._done += 1
        self._cell_began = time.monotonic()
        left = f" ({self._left_text()})" if self._done < len(self._estimates) and not self._live else ""
        print(f"[{self._done}/{len(self._estimates)}] {self._what}: {result}{left}", file=sys.stderr, flush=True)

    def _left_text(self) -> str:
        spent = self._cell_began - self._began
        expected = sum(self._estimates[: self._done])
        pace = spent / expected if expected > _TRUSTED_SECONDS else 1.0
        running = time.monotonic() - self._cell_began
        left = max(0.0, sum(self._estimates[self._done :]) * pace - running)
        return f"about {left // 60:.0f} min {left % 60:02.0f} s left"

    def _show(self, text: str) -> None:
        if self._live:
            self._clear()
            line = f"[{self._done + 1}/{len(self._estimates)}] {self._what} {text} ({self._left_text()})"
            print(line[:150], end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        print("\r\033[K", end="", file=sys.stderr)
