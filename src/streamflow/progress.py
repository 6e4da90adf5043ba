"""Progress of long work: how much is done, how fast it goes, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 2.0  # the shortest time between two lines of progress

MB = 1_000_000


class Progress:
    """Counts finished rows, and from time to time reports the rate and the remaining time."""

    def __init__(
        self,
        notify: Callable[[str], None],
        activity: str,
        total: int,
        *,
        unit: str = "rows",
        per: int = 1,
    ) -> None:
        """Begin to count.

        Args:
            notify: receives each line of progress.
            activity: the work, as the line shows it, such as `reading`.
            total: how many will be counted; 0 when this is not known.
            unit: the name of what the line shows.
            per: how many of what is counted make one `unit`; for bytes shown in MB, 1,000,000.
        """
        self._notify = notify
        self._activity = activity
        self._total = total
        self._unit = unit
        self._per = per
        self._started_at = time.monotonic()
        self._reported_at = self._started_at
        self._count = 0

    def add(self, count: int) -> None:
        """Add `count` to what is done, and report if the last report is old enough."""
        self._count += count
        now = time.monotonic()
        if now - self._reported_at < EVERY_S:
            return
        self._reported_at = now
        line = format_progress(
            self._activity,
            self._count // self._per,
            self._total // self._per,
            now - self._started_at,
            self._unit,
        )
        self._notify(line)


def format_progress(
    activity: str,
    count: int,
    total: int,
    seconds: float,
    unit: str = "rows",
) -> str:
    """Write one line of progress; a total of 0 is not known.

    >>> format_progress("reading", 500_000, 2_000_000, 4.0)
    'reading: 500,000 of 2,000,000 rows, 125,000 rows/s, 12 s left'
    >>> format_progress("dumping", 120, 0, 4.0, "MB")
    'dumping: 120 MB, 30 MB/s'
    """
    rate = count / seconds if seconds > 0 else 0.0
    line = f"{activity}: {count:,}"
    if total:
        line += f" of {max(total, count):,}"
    line += f" {unit}, {rate:,.0f} {unit}/s"
    if rate and total:
        remaining_seconds = max(total - count, 0) / rate
        line += f", {remaining_seconds:.0f} s left"
    return line
