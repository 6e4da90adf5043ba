"""Instants: an as_of is a day at 00:00:00 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def instant(day: date) -> datetime:
    """The instant whose knowledge a row of `day` describes.

    >>> instant(date(2024, 1, 31)).isoformat()
    '2024-01-31T00:00:00+00:00'
    """
    return datetime.combine(day, time(), UTC)


def day(at: datetime | None) -> str:
    """An instant in UTC as a person reads it; of a midnight the day is enough.

    >>> day(datetime(2024, 1, 31, tzinfo=UTC)), day(datetime(2024, 1, 31, 12, tzinfo=UTC)), day(None)
    ('2024-01-31', '2024-01-31T12:00:00+00:00', 'never')
    """
    if at is None:
        return "never"
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if utc.time() == time() else utc.isoformat()
