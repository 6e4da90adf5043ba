"""Progress of long work: how far, how fast, how much longer."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 2.0  # how often something is said


MB = 1_000_000


class Progress:
    """Counts rows and tells, now and then, the rate and the time that remains. `per` of what is counted are one `unit`."""

    def __init__(
        self,
        notify: Callable[[str], None],
        what: str,
        total: int,
        *,
        unit: str = "rows",
        per: int = 1,
    ) -> None:
        self._notify, self._what, self._total, self._unit, self._per = (
            notify,
            what,
            total,
            unit,
            per,
        )
        self._begin = self._told = time.monotonic()
        self._done = 0

    def add(self, count: int) -> None:
        """Say that `count` more are done."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= EVERY_S:
            self._told = now
            done, total = self._done // self._per, self._total // self._per
            self._notify(in_words(self._what, done, total, now - self._begin, self._unit))


def in_words(what: str, done: int, total: int, seconds: float, unit: str = "rows") -> str:
    """One line of progress; a total of 0 is not known.

    >>> in_words("reading", 500_000, 2_000_000, 4.0)
    'reading: 500,000 of 2,000,000 rows, 125,000 rows/s, 12 s left'
    >>> in_words("dumping", 120, 0, 4.0, "MB")
    'dumping: 120 MB, 30 MB/s'
    """
    rate = done / seconds if seconds > 0 else 0.0
    whole = f" of {max(total, done):,}" if total else ""
    left = f", {max(total - done, 0) / rate:.0f} s left" if rate and total else ""
    return f"{what}: {done:,}{whole} {unit}, {rate:,.0f} {unit}/s{left}"
