"""Instants: an as_of is a day at 00:00:00 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def instant(day: date) -> datetime:
    """The instant whose knowledge a row of `day` describes.

    >>> instant(date(2024, 1, 31)).isoformat()
    '2024-01-31T00:00:00+00:00'
    """
    return datetime.combine(day, time(), UTC)
