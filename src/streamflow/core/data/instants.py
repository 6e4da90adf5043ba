"""Instants: an `as_of` is a day at 00:00:00 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def instant_of_day(day: date) -> datetime:
    """Return the `as_of` of a day: the instant whose knowledge a row of the day describes.

    >>> instant_of_day(date(2024, 1, 31)).isoformat()
    '2024-01-31T00:00:00+00:00'
    """
    return datetime.combine(day, time(), UTC)


def format_instant(moment: datetime | None) -> str:
    """Write an instant for people, in UTC; at midnight the date is enough.

    >>> format_instant(datetime(2024, 1, 31, tzinfo=UTC)), format_instant(None)
    ('2024-01-31', 'never')
    >>> format_instant(datetime(2024, 1, 31, 12, tzinfo=UTC))
    '2024-01-31T12:00:00+00:00'
    """
    if moment is None:
        return "never"
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if utc.time() == time() else utc.isoformat()
