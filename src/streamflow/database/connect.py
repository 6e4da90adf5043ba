"""Connections, and databases that are not there yet."""

from __future__ import annotations

import psycopg
from psycopg import sql

from streamflow.database.address import LIVELY, Address
from streamflow.errors import DatabaseUnavailable, PermissionMissing

OLDEST = 15  # the major version from which on everything of ours is tested


def connect(
    address: Address, *, autocommit: bool = False, timeout_s: int = 10
) -> psycopg.Connection:
    """Connect. Raises DatabaseUnavailable, without the password."""
    try:
        info = psycopg.conninfo.make_conninfo(
            address.conninfo(), connect_timeout=timeout_s, application_name="streamflow", **LIVELY
        )
        return psycopg.connect(info, autocommit=autocommit)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"{address.display}: {str(exc).strip()}") from exc


def server_version(connection: psycopg.Connection) -> str:
    """The version of the server, such as 18.4. Raises DatabaseUnavailable when it is too old."""
    number = connection.info.server_version
    shown = f"{number // 10000}.{number % 10000}"
    if number < OLDEST * 10000:
        raise DatabaseUnavailable(
            f"PostgreSQL {shown} is too old", remedy=f"Name a server of version {OLDEST} or newer."
        )
    return shown


def ensure_database(address: Address, name: str) -> bool:
    """Create the database `name` where it lacks; whether it was created. Raises PermissionMissing with the SQL."""
    statement = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
        sql.Identifier(name)
    )
    with connect(_maintenance(address), autocommit=True) as connection:
        server_version(connection)
        if (
            connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
            is not None
        ):
            return False
        try:
            connection.execute(statement)
        except (
            psycopg.errors.DuplicateDatabase,
            psycopg.errors.UniqueViolation,
        ):  # another process was faster
            return False
        except psycopg.errors.InsufficientPrivilege as exc:
            text = statement.as_string(connection) + ";"
            raise PermissionMissing(
                f"the database user may not create the database '{name}':\n{text}", sql=text
            ) from exc
    return True


def _maintenance(address: Address) -> Address:
    """A database that is there: the one that is named, else PostgreSQL's own."""
    try:
        connect(address).close()
    except DatabaseUnavailable as exc:
        if not is_absent_database(exc):
            raise
        return address.with_database("postgres")
    return address


def is_absent_database(error: DatabaseUnavailable) -> bool:
    """Whether the server answered, and has no such database (SQLSTATE 3D000; libpq gives no code for a failed connection)."""
    return 'database "' in error.message and "does not exist" in error.message
