"""A pool of connections for threads that only read."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from streamflow.database.address import Address
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable, Overloaded

QUERIES = load_queries(__file__, "reading_pool.sql")
POOL_SIZE = 8
# Connections that are open before somebody needs them. A new one costs a page as much as all its
# statements: PostgreSQL starts a process, which knows no table yet.
OPEN_CONNECTIONS = 4
RECONNECT_S = 4.0


def open_reading_pool(
    address: Address,
    *,
    application: str,
    time_limit: float,
    **options: Any,
) -> ConnectionPool:
    """Make a pool, which the caller opens and closes. Every transaction of it only reads.

    Args:
        application: the name that PostgreSQL shows of each connection
        time_limit: seconds that a statement may take
        options: arguments of `psycopg.connect`
    """

    def configure(connection: psycopg.Connection) -> None:
        connection.execute(QUERIES["set_statement_timeout"], [f"{time_limit:.3f}s"])
        connection.execute(QUERIES["set_read_only"])

    info = psycopg.conninfo.make_conninfo(
        address.conninfo(),
        application_name=application,
        connect_timeout=max(2, round(time_limit)),
    )

    def check(connection: psycopg.Connection) -> None:
        if _has_message(connection):
            _check_open(pool, connection)

    pool = ConnectionPool(
        info,
        min_size=OPEN_CONNECTIONS,
        max_size=POOL_SIZE,
        kwargs={"autocommit": True, **options},
        timeout=time_limit / 2,
        configure=configure,
        check=check,
        reconnect_timeout=RECONNECT_S,
        open=False,
    )
    return pool


def _has_message(connection: psycopg.Connection) -> bool:
    """Return whether PostgreSQL has sent something since the last page.

    A server that ends a connection says so. Only then it is asked whether the connection is open: a
    question for every page would cost as much as one of its statements.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _check_open(pool: ConnectionPool, connection: psycopg.Connection) -> None:
    """Ask PostgreSQL. If it has ended the connection, replace all others, too.

    After a restart all of them have ended. The pool would try each, and wait a second and more
    after each.
    """
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        pool.drain()
        raise


@contextmanager
def take_reading_connection(pool: ConnectionPool) -> Iterator[psycopg.Connection]:
    """Take a connection of the pool during the block.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer.
        Overloaded: a statement took too long.
    """
    try:
        with pool.connection() as connection:
            yield connection
    except PoolTimeout as exc:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {exc}") from exc
    except psycopg.errors.QueryCanceled as exc:
        raise Overloaded("PostgreSQL took too long for this page") from exc
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {exc}") from exc
