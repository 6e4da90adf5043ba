"""Connections of ADBC, the driver that returns Arrow data, and a way to use them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import adbc_driver_manager

from streamflow.database.address import Address
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable

QUERIES = load_queries(__file__, "adbc.sql")

# URI of each address whose connections are kept -> those that nobody is reading from.
_idle_connections: dict[str, list[Any]] = {}


@contextmanager
def connection(address: Address) -> Iterator[Any]:
    """Open an ADBC connection (DB-API) for one transaction.

    Without `commit` everything is rolled back.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with _open_connection(address, autocommit=False) as adbc_connection:
        yield adbc_connection


def _open_connection(address: Address, *, autocommit: bool) -> Any:
    from adbc_driver_postgresql import dbapi

    try:
        return dbapi.connect(address.uri(), autocommit=autocommit)
    except adbc_driver_manager.Error as exc:
        raise DatabaseUnavailable(f"{address.display}: {exc}") from exc


@contextmanager
def keep_connections(address: Address) -> Iterator[None]:
    """Keep connections open for the next read within this block.

    Opening a connection takes longer than most reads. A connection has one reader at a time. If it
    has failed, or if the server has closed it, it is not used again.
    """
    _idle_connections.setdefault(address.uri(), [])
    try:
        yield
    finally:
        for adbc_connection in _idle_connections.pop(address.uri(), []):
            adbc_connection.close()


@contextmanager
def open_cursor(address: Address) -> Iterator[Any]:
    """Open a cursor in autocommit mode, on an idle connection if there is one.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with ExitStack() as closing:
        idle_connection = _take_idle_connection(address)
        adbc_connection = closing.enter_context(
            idle_connection or _open_connection(address, autocommit=True)
        )
        with adbc_connection.cursor() as cursor:
            yield cursor
        idle_connections = _idle_connections.get(address.uri())
        if idle_connections is not None:
            # The connection stays open for the next reader.
            closing.pop_all()
            idle_connections.append(adbc_connection)


def _take_idle_connection(address: Address) -> Any | None:
    """Return an idle connection to a server that still answers, or None."""
    idle_connections = _idle_connections.get(address.uri(), [])
    while idle_connections:
        adbc_connection = idle_connections.pop()
        try:
            with adbc_connection.cursor() as cursor:
                cursor.execute(QUERIES["check_connection"].as_string())
                cursor.fetchall()
        except adbc_driver_manager.Error:
            # The server ended it. A new connection will show whether there is still a server.
            adbc_connection.close()
        else:
            return adbc_connection
    return None
