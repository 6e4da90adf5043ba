"""The `known_at` of a read from now on, for both drivers.

A writer of frozen rows chooses the `known_at` of its revisions under a lock and commits. A read
shares this lock while it looks at the clock. Without the lock a revision could be committed later
with an earlier `known_at`, and the same read would give different rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from streamflow.database.locks import (
    RAW_AND_FROZEN_ROWS,
    session_lock_sql,
    session_unlock_sql,
    transaction_lock_sql,
)
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "known_at.sql")


def current_known_at(connection: psycopg.Connection) -> datetime:
    """Return the `known_at` for a read from now on, when no writer is at work.

    A revision that is committed later is not known at this instant.
    """
    with connection.transaction():
        connection.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS, shared=True))
        row = connection.execute(QUERIES["select_current_known_at"]).fetchone()
    assert row is not None
    known_at: datetime = row[0]
    return known_at


def current_known_at_by_adbc(cursor: Any) -> datetime:
    """Return the same as `current_known_at`, through a cursor of ADBC in autocommit mode.

    Each statement of such a cursor is a transaction, so the session holds the lock.
    """
    _read_value(cursor, session_lock_sql(RAW_AND_FROZEN_ROWS, shared=True))
    try:
        known_at: datetime = _read_value(cursor, QUERIES["select_current_known_at"].as_string())
    finally:
        _read_value(cursor, session_unlock_sql(RAW_AND_FROZEN_ROWS, shared=True))
    return known_at


def _read_value(cursor: Any, statement: str) -> Any:
    cursor.execute(statement)
    return cursor.fetch_arrow_table()[0][0].as_py()
