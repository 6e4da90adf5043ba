"""The months of the prediction log: created ahead, and dropped when they are too old.

If a month does not exist, its rows go into the default partition and no answer is refused. They
are moved when the month is created.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from streamflow.core.data.counts import count_of
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "prediction_log_months.sql")

# How many months are created ahead. All monthly steps may fail for so many months before rows go
# into the default partition.
MONTHS_AHEAD = 3
# How often we try to lock the log while it is in use, and the pause between two attempts in
# seconds. Each attempt waits at most half a second, and new answers wait with it.
TRIES = 3
PAUSE_S = 0.2
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class LogMonth:
    """A month of the log, such as 2026_11, with the rows that were moved into it or that it has."""

    month: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class CreatedMonths:
    """The months that were created.

    `busy` is true when the log was in use, for example by a backup. The next step creates the
    months then.
    """

    months: tuple[LogMonth, ...]
    busy: bool = False

    def __iter__(self) -> Iterator[str]:
        """Describe each month in one line for the user."""
        for month in self.months:
            yield f"prediction log: month {month.month}{_describe_moved(month.rows)}"
        if self.busy:
            yield (
                "prediction log: it is in use. The next 'streamflow materialize' creates the"
                " months ahead"
            )


def _describe_moved(row_count: int) -> str:
    return f" ({_count_rows_in_words(row_count)} moved)" if row_count else ""


def _count_rows_in_words(row_count: int) -> str:
    return count_of(row_count, "row")


def create_months(connection: psycopg.Connection, *, ahead: int = MONTHS_AHEAD) -> CreatedMonths:
    """Create this month, the next ones, and those of the rows in the default partition.

    Months that exist stay as they are. Answers that are logged in the meantime wait for a moment;
    none is refused. Call it outside a transaction.
    """

    def run_statement() -> list[tuple[str, int]]:
        return connection.execute(QUERIES["create_months"], [ahead]).fetchall()

    rows = _retry_while_busy(run_statement)
    if rows is None:
        return CreatedMonths(months=(), busy=True)
    return CreatedMonths(months=tuple(LogMonth(month=name, rows=moved) for name, moved in rows))


def describe_missing_months(connection: psycopg.Connection) -> list[str]:
    """Describe which months are missing, and how many rows have no month."""
    names = connection.execute(QUERIES["select_missing_months"]).fetchall()
    row = connection.execute(QUERIES["count_rows_without_month"]).fetchone()
    assert row is not None
    row_count: int = row[0]
    descriptions = [f"month {name} does not exist yet" for (name,) in names]
    if row_count:
        rows = count_of(row_count, "row belongs", "rows belong")
        descriptions.append(f"{rows} to no month")
    return descriptions


def months_before(connection: psycopg.Connection, kept_months: int) -> list[LogMonth]:
    """Return the months that are too old, the oldest first.

    Args:
        connection: the database.
        kept_months: how many whole months before this one are not too old.
    """
    names = connection.execute(QUERIES["select_months_before"], [kept_months]).fetchall()
    return [LogMonth(month=name, rows=_count_rows(connection, name)) for (name,) in names]


def drop_month(connection: psycopg.Connection, month: str) -> bool:
    """Drop a month with all its rows. Call it outside a transaction.

    Only the maintenance role may do this.

    Returns:
        False when the log was in use, so that the month is still there.
    """
    cursor = _retry_while_busy(lambda: connection.execute(QUERIES["drop_month"], [month]))
    return cursor is not None


def _count_rows(connection: psycopg.Connection, month: str) -> int:
    table = sql.Identifier("streamflow", f"prediction_log_{month}")
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    assert row is not None
    return int(row[0])


def _retry_while_busy(call: Callable[[], Result]) -> Result | None:
    """Return what `call` returns, or None when the log was in use at each attempt."""
    for attempt in range(TRIES):
        try:
            return call()
        except psycopg.errors.LockNotAvailable:
            if attempt + 1 < TRIES:
                time.sleep(PAUSE_S)
    return None
