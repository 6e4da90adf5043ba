"""Progress of long work: how far, how fast, how much longer."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 2.0  # how often something is said


class Progress:
    """Counts rows and tells, now and then, the rate and the time that remains."""

    def __init__(self, notify: Callable[[str], None], what: str, total: int) -> None:
        self._notify, self._what, self._total = notify, what, total
        self._begin = self._told = time.monotonic()
        self._done = 0

    def add(self, rows: int) -> None:
        """Say that `rows` more are done."""
        self._done += rows
        now = time.monotonic()
        if now - self._told >= EVERY_S:
            self._told = now
            self._notify(in_words(self._what, self._done, self._total, now - self._begin))


def in_words(what: str, done: int, total: int, seconds: float) -> str:
    """One line of progress.

    >>> in_words("reading", 500_000, 2_000_000, 4.0)
    'reading: 500,000 of 2,000,000 rows, 125,000 rows/s, 12 s left'
    """
    rate = done / seconds if seconds > 0 else 0.0
    left = f", {max(total - done, 0) / rate:.0f} s left" if rate else ""
    return f"{what}: {done:,} of {max(total, done):,} rows, {rate:,.0f} rows/s{left}"
