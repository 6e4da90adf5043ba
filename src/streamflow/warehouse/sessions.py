"""The sessions of other programs in a database."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from streamflow.core.data.counts import count_of
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "sessions.sql")


def describe_other_sessions(
    connection: psycopg.Connection, databases: Sequence[str]
) -> tuple[str, ...]:
    """Describe the sessions of other programs that logged in as the user of this connection.

    Args:
        connection: its own session does not count.
        databases: only sessions in these databases count.
    """
    rows = connection.execute(QUERIES["select_other_sessions"], [list(databases)])
    return tuple(
        f"{count_of(count, 'session')} of {program} in the database {database}"
        for database, program, count in rows
    )
