"""The months of the prediction log: made ahead, and dropped whole when they are older than what is kept.

Where a month lacks, its rows lie in the default partition, and nothing is refused; they are moved when it is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

AHEAD = 3  # months: as long may all monthly steps fail before rows go into the default partition
TRIES, PAUSE_S = (
    3,
    0.2,
)  # of waiting for who uses the log; each try waits half a second at most, and answers wait with it
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class LogMonth:
    """A month of the log, such as 2026_11, with its rows: those that were moved into it, or that it holds."""

    month: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Made:
    """The months that were made; `busy` when the log was in use, such as by a backup: the next step makes them."""

    months: tuple[LogMonth, ...]
    busy: bool = False

    def __iter__(self) -> Iterator[str]:
        """In words."""
        for one in self.months:
            yield f"prediction log: month {one.month}" + (
                f" ({one.rows:,} rows moved)" if one.rows else ""
            )
        if self.busy:
            yield "prediction log: in use, the months ahead are made by the next 'streamflow materialize'"


def make_months(connection: psycopg.Connection, *, ahead: int = AHEAD) -> Made:
    """Make this month and the next ones, and those of which rows lie in the default partition, where they lack.

    Answers that are logged meanwhile wait a moment; none is refused. Call it outside a transaction.
    """

    def call() -> list[tuple[str, int]]:
        return connection.execute(
            "SELECT month, moved FROM streamflow.make_prediction_months(%s)", [ahead]
        ).fetchall()

    made = _unless_busy(call)
    return Made(
        months=tuple(LogMonth(month=month, rows=moved) for month, moved in made or ()),
        busy=made is None,
    )


def lacking(connection: psycopg.Connection) -> list[str]:
    """What the next `make_months` has to do, in words: this month or the next lacks, or rows lie in the default partition."""
    names = connection.execute(
        "SELECT to_char(m, 'YYYY_MM') FROM generate_series(0, 1) n, LATERAL"
        " (SELECT date_trunc('month', timezone('UTC', clock_timestamp())) + make_interval(months => n)) AS month (m)"
        " WHERE to_regclass('streamflow.prediction_log_' || to_char(m, 'YYYY_MM')) IS NULL ORDER BY 1"
    ).fetchall()
    row = connection.execute("SELECT count(*) FROM streamflow.prediction_log_default").fetchone()
    assert row is not None
    found = [f"month {name} is not made yet" for (name,) in names]
    return [*found, f"{row[0]:,} rows are in no month"] if row[0] else found


def months_before(connection: psycopg.Connection, kept: int) -> list[LogMonth]:
    """The months that ended `kept` whole months before this one or earlier, oldest first."""
    names = connection.execute(
        "SELECT month FROM (SELECT substr(relname, length('prediction_log_') + 1) AS month FROM pg_inherits"
        "   JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'streamflow.prediction_log'::regclass) m"
        " WHERE month <> 'default'"
        " AND to_date(month, 'YYYY_MM') < date_trunc('month', timezone('UTC', clock_timestamp())) - make_interval(months => %s)"
        " ORDER BY to_date(month, 'YYYY_MM')",
        [kept],
    ).fetchall()
    return [LogMonth(month=month, rows=_rows(connection, month)) for (month,) in names]


def drop_month(connection: psycopg.Connection, month: str) -> bool:
    """Drop a month with all its rows; False when the log is in use. Only the maintenance role may. Outside a transaction."""
    return (
        _unless_busy(
            lambda: connection.execute("SELECT streamflow.drop_prediction_month(%s)", [month])
        )
        is not None
    )


def _rows(connection: psycopg.Connection, month: str) -> int:
    table = sql.Identifier("streamflow", f"prediction_log_{month}")
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    assert row is not None
    return int(row[0])


def _unless_busy(call: Callable[[], Result]) -> Result | None:
    """What `call` gives, or None when the log was in use each time."""
    for attempt in range(TRIES):
        try:
            return call()
        except psycopg.errors.LockNotAvailable:
            if attempt + 1 < TRIES:
                time.sleep(PAUSE_S)
    return None
