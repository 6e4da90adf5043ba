"""PostgreSQL's advisory locks: they end with the connection, whatever becomes of the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql


@contextmanager
def held(connection: psycopg.Connection, lock: int, *, shared: bool = False) -> Iterator[None]:
    """Wait for a lock and hold it: alone, or together with all who hold it `shared`."""
    suffix = sql.SQL("_shared" if shared else "")
    connection.execute(sql.SQL("SELECT pg_advisory_lock{}({})").format(suffix, lock))
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(sql.SQL("SELECT pg_advisory_unlock{}({})").format(suffix, lock))
