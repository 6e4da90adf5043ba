"""Connections of ADBC, the driver that returns Arrow data, and a way to use them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import adbc_driver_manager

from streamflow.database.address import Address
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable

QUERIES = load_queries(__file__, "adbc.sql")


@dataclass(kw_only=True)
class _ConnectionPool:
    """What stays open of one address, from the first use to the end of the last block.

    ADBC's handle of a database reads all its types when it is opened, which takes many times as
    long as to open a connection. A connection is a clone of `database`, which holds the handle.
    """

    blocks: int = 0  # of keep_connections that are not over
    idle_connections: list[Any] = field(default_factory=list)  # that nobody is reading from
    database: Any | None = None  # a connection of DB-API whose own session is closed
    opening: Lock = field(default_factory=Lock)

    def open_connection(self, uri: str) -> Any:
        from adbc_driver_postgresql import dbapi

        with self.opening:
            if self.database is None:
                self.database = dbapi.connect(uri)
                self.database.adbc_connection.close()
        return self.database.adbc_clone()

    def close(self) -> None:
        with ExitStack() as closing:  # closes all of them, even if one cannot be closed
            if self.database is not None:
                closing.callback(self.database.close)
            for adbc_connection in self.idle_connections:
                closing.callback(adbc_connection.close)


_pools: dict[str, _ConnectionPool] = {}  # URI of each address whose connections are kept


@contextmanager
def connection(address: Address) -> Iterator[Any]:
    """Open an ADBC connection (DB-API) for one transaction.

    Without `commit` everything is rolled back.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with _open_connection(address) as adbc_connection:
        yield adbc_connection


def _open_connection(address: Address) -> Any:
    """Open a connection that begins a transaction with its first statement."""
    from adbc_driver_postgresql import dbapi

    uri = address.uri()
    pool = _pools.get(uri)
    try:
        return pool.open_connection(uri) if pool else dbapi.connect(uri)
    except adbc_driver_manager.Error as exc:
        raise DatabaseUnavailable(f"{address.display}: {exc}") from exc


@contextmanager
def keep_connections(address: Address) -> Iterator[None]:
    """Keep connections open for the next read within this block.

    Opening a connection takes longer than most reads. A connection has one reader at a time. If it
    has failed, or if the server has closed it, it is not used again.
    """
    uri = address.uri()
    pool = _pools.setdefault(uri, _ConnectionPool())
    pool.blocks += 1
    try:
        yield
    finally:
        pool.blocks -= 1
        if pool.blocks == 0:
            del _pools[uri]
            pool.close()


@contextmanager
def open_cursor(address: Address) -> Iterator[Any]:
    """Open a cursor in autocommit mode, on an idle connection if there is one.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with ExitStack() as closing:
        idle_connection = _take_idle_connection(address)
        adbc_connection = closing.enter_context(idle_connection or _open_connection(address))
        if idle_connection is None:
            adbc_connection.adbc_connection.set_autocommit(True)
        with adbc_connection.cursor() as cursor:
            yield cursor
        pool = _pools.get(address.uri())
        if pool is not None:
            # The connection stays open for the next reader.
            closing.pop_all()
            pool.idle_connections.append(adbc_connection)


def _take_idle_connection(address: Address) -> Any | None:
    """Return an idle connection to a server that still answers, or None."""
    pool = _pools.get(address.uri())
    while pool is not None and pool.idle_connections:
        adbc_connection = pool.idle_connections.pop()
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
