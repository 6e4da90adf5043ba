"""What a caller may write as an argument, and the value that a step takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.core.data.instants import instant_of_day

if TYPE_CHECKING:
    import polars as pl

Day = str | date  # a datetime is a date, too


def parse_day(value: Day) -> datetime:
    """Return the `as_of` of a day.

    >>> parse_day("2024-01-31").isoformat(), parse_day(date(2024, 1, 31)).isoformat()
    ('2024-01-31T00:00:00+00:00', '2024-01-31T00:00:00+00:00')
    >>> parse_day("31.1.2024")
    Traceback (most recent call last):
    ValueError: as_of: expected a day such as '2024-01-31', got '31.1.2024'

    Raises:
        ValueError: it is no day, or an instant within a day.
    """
    mistake = ValueError(f"as_of: expected a day such as '2024-01-31', got {value!r}")
    if isinstance(value, str):
        try:
            return instant_of_day(date.fromisoformat(value))
        except ValueError:
            raise mistake from None
    if isinstance(value, datetime):
        instant = value.astimezone(UTC) if value.tzinfo else value
        if instant.time() != time():
            raise mistake
        return instant_of_day(instant.date())
    if isinstance(value, date):
        return instant_of_day(value)
    raise mistake


def parse_instant(value: str | date | None) -> datetime | None:
    """Return an instant; one without a time zone is UTC, and a date is its beginning.

    >>> parse_instant("2024-03-01T12:00").isoformat(), parse_instant(date(2024, 3, 1)).isoformat()
    ('2024-03-01T12:00:00+00:00', '2024-03-01T00:00:00+00:00')

    Raises:
        ValueError: it is no instant.
    """
    if value is None:
        return None
    mistake = ValueError(
        f"known_at: expected an instant such as '2024-03-01T12:00:00Z', got {value!r}"
    )
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise mistake from None
    # pandas has a datetime that is no instant, and does not equal itself.
    if not isinstance(value, date) or value != value:  # noqa: PLR0124
        raise mistake
    if not isinstance(value, datetime):
        return instant_of_day(value)
    # A timestamp of pandas becomes a plain one.
    instant = datetime.combine(value.date(), value.timetz())
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def parse_path(value: str | Path | None) -> Path | None:
    """Return a path as a path; None stays None."""
    return None if value is None else Path(value)


def as_polars(frames: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """Return each frame as a frame of polars; pandas frames are converted.

    >>> import pandas
    >>> as_polars({"users": pandas.DataFrame({"fee": [1.5, None]})})["users"]["fee"].to_list()
    [1.5, None]

    Raises:
        TypeError: a value is no frame of polars or pandas.
    """
    return {table: _as_polars(table, frame) for table, frame in frames.items()}


def _as_polars(table: str, frame: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    # pandas is not imported to find out: who has a frame of pandas has imported it.
    if type(frame).__module__.partition(".")[0] == "pandas":
        converted = pl.from_pandas(frame)
        if isinstance(converted, pl.DataFrame):
            return converted
    raise TypeError(f"{table}: expected a frame of polars or pandas, got {type(frame).__name__}")
