"""Connect to a database, and create a database that does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from streamflow.database.address import KEEPALIVE_PARAMETERS, Address
from streamflow.database.sql_files import Query, load_queries
from streamflow.errors import DatabaseUnavailable, PermissionMissing

QUERIES = load_queries(__file__, "connect.sql")

# The oldest major version on which everything of streamflow is tested.
OLDEST_VERSION = 15


def connect(
    address: Address,
    *,
    autocommit: bool = False,
    timeout_s: int = 10,
) -> psycopg.Connection:
    """Connect to a database with psycopg.

    Args:
        address: the database.
        autocommit: commit each statement by itself.
        timeout_s: how long to wait for the server, in seconds.

    Raises:
        DatabaseUnavailable: the server cannot be reached. The message does not hold the password.
    """
    try:
        info = psycopg.conninfo.make_conninfo(
            address.conninfo(),
            connect_timeout=timeout_s,
            application_name="streamflow",
            **KEEPALIVE_PARAMETERS,
        )
        return psycopg.connect(info, autocommit=autocommit)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"{address.display}: {str(exc).strip()}") from exc


def connect_read_only(address: Address) -> psycopg.Connection:
    """Connect for one transaction that only reads, and that sees one state of the database.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    connection = connect(address)
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


class ReadOnlyDatabase:
    """Opens transactions that only read, each of which sees one state of a database.

    Args:
        address: the database.
        keeps_connection: whether all of them take place on one connection, which `close` closes.
            A new connection costs more than a few statements. Then only one thread may read.
    """

    def __init__(self, address: Address, *, keeps_connection: bool = False) -> None:
        self._address = address
        self._keeps_connection = keeps_connection
        self._kept: psycopg.Connection | None = None

    @contextmanager
    def open_transaction(self) -> Iterator[psycopg.Connection]:
        """Yield a connection in a transaction.

        Raises:
            DatabaseUnavailable: the server cannot be reached.
        """
        if not self._keeps_connection:
            with connect_read_only(self._address) as connection:
                yield connection
            return
        if self._kept is None or self._kept.closed:
            self._kept = connect_read_only(self._address)
        with self._kept.transaction():
            yield self._kept

    def close(self) -> None:
        """Close the connection if one is kept."""
        if self._kept is not None:
            self._kept.close()


def read_first_row(connection: psycopg.Connection, query: Query) -> tuple[Any, ...] | None:
    """Return the first row of a query; None if there is none, or if its table does not exist.

    A table that does not exist ends the transaction.
    """
    try:
        return connection.execute(query).fetchone()
    except psycopg.errors.UndefinedTable:
        return None


def server_version(connection: psycopg.Connection) -> str:
    """Return the version of the server, such as 18.4.

    Raises:
        DatabaseUnavailable: the server is too old.
    """
    number = connection.info.server_version
    version = f"{number // 10000}.{number % 10000}"
    if number < OLDEST_VERSION * 10000:
        raise DatabaseUnavailable(
            f"PostgreSQL {version} is too old",
            remedy=f"Name a server of version {OLDEST_VERSION} or newer.",
        )
    return version


def ensure_database(address: Address, name: str) -> bool:
    """Create a database if it does not exist.

    Returns:
        whether this call created it.

    Raises:
        PermissionMissing: the user may not create it; the error holds the SQL.
    """
    statement = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
        sql.Identifier(name)
    )
    with connect(_find_existing_database(address), autocommit=True) as connection:
        server_version(connection)
        if connection.execute(QUERIES["select_database"], [name]).fetchone() is not None:
            return False
        try:
            connection.execute(statement)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            # A different process created it a moment before us.
            return False
        except psycopg.errors.InsufficientPrivilege as exc:
            text = statement.as_string(connection) + ";"
            raise PermissionMissing(
                f"the database user may not create the database '{name}'."
                f" An administrator must run this SQL:\n{text}",
                sql=text,
            ) from exc
    return True


def _find_existing_database(address: Address) -> Address:
    """Return `address` if its database exists, and else the address of the database `postgres`."""
    try:
        connect(address).close()
    except DatabaseUnavailable as exc:
        if not is_absent_database(exc):
            raise
        return address.with_database("postgres")
    return address


def is_absent_database(error: DatabaseUnavailable) -> bool:
    """Return whether the server answered that it has no such database.

    This is SQLSTATE 3D000, but libpq gives no code for a failed connection, so we read its text.
    """
    return 'database "' in error.message and "does not exist" in error.message
