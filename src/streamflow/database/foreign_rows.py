"""Read a table or a query of any PostgreSQL, whose rows become a file of a drop."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote, urlsplit, urlunsplit

import adbc_driver_manager
import psycopg
import pyarrow as pa
from psycopg import sql

from streamflow.database import arrow
from streamflow.database.address import Address, from_url
from streamflow.database.connect import connect
from streamflow.database.sql_files import load_queries
from streamflow.errors import CatalogInvalid, DatabaseUnavailable, SettingsInvalid

QUERIES = load_queries(__file__, "foreign_rows.sql")
STATE = "No catalog was written."
# What the server says, in a message of ADBC.
SERVER_ERROR = re.compile(r"ERROR: +(.+)")

# The types that Arrow has too. All others are read as text.
SHARED_TYPES = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bpchar"}
    | {"name", "date", "timestamp", "timestamptz"}
)


@dataclass(frozen=True, kw_only=True)
class ForeignSource:
    """The database of somebody else, and the rows that are read from it.

    name   what the file with the rows is called, without its ending
    query  SQL that gives the rows; None: all rows of `table`
    """

    address: Address
    name: str
    table: tuple[str, ...] = ()
    query: str | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """Return a digest of where the rows are; the password does not count."""
        rows = ".".join(self.table) if self.query is None else self.query.strip()
        return sha256(f"{self.address.display}\0{rows}".encode()).hexdigest()

    def compose_rows(self) -> sql.Composable:
        """Return the SQL that gives the rows."""
        if self.query is None:
            return sql.SQL("TABLE {}").format(sql.Identifier(*self.table))
        text = self.query.strip().rstrip(";")
        return sql.SQL(text)


def parse_source(url: str, query: str | None) -> ForeignSource:
    """Read `postgresql://user:password@host:port/database/schema.table`.

    With a query, the URL ends with the database.

    Raises:
        CatalogInvalid: the URL cannot be used. The message does not hold the password.
    """
    url_parts = urlsplit(url)
    segments = [unquote(segment) for segment in url_parts.path.split("/") if segment]
    if len(segments) != (1 if query else 2):
        ending = "DATABASE" if query else "DATABASE/SCHEMA.TABLE"
        raise CatalogInvalid(
            f"--from: the URL must end with {ending}",
            state=STATE,
            remedy="Name a table in the URL, or the rows with --query.",
        )
    database_url = urlunsplit(url_parts._replace(path=f"/{url_parts.path.split('/')[1]}"))
    try:
        address = from_url(database_url)
    except SettingsInvalid as exc:
        message = exc.message.replace("setting 'database_url'", "--from")
        raise CatalogInvalid(message, state=STATE, remedy="Correct the URL.") from None
    if query:
        return ForeignSource(address=address, name="query", query=query)
    table = tuple(segments[1].split("."))
    return ForeignSource(address=address, name=table[-1], table=table)


def stream_rows(source: ForeignSource) -> Iterator[pa.RecordBatch]:
    """Read the rows in batches.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
        CatalogInvalid: the server refuses the table or the query.
    """
    with connect(source.address) as connection:
        statement = _compose_typed(connection, source).as_string(connection)
    try:
        yield from arrow.stream(source.address, statement)
    except adbc_driver_manager.Error as exc:
        reason = SERVER_ERROR.search(str(exc))
        if reason is None:  # it is an error of the connection
            raise DatabaseUnavailable(f"{source.address.display}: {exc}") from exc
        raise _refuse(source, reason[1]) from exc


def _compose_typed(connection: psycopg.Connection, source: ForeignSource) -> sql.Composable:
    """Return the SQL that gives the rows with each column of a type that Arrow has, or as text."""
    rows = source.compose_rows()
    try:
        cursor = connection.execute(QUERIES["describe_rows"].format(rows=rows))
    except psycopg.Error as exc:
        raise _refuse(source, str(exc.diag.message_primary or exc)) from exc
    described = cursor.description or []
    names = Counter(column.name for column in described)
    repeated = [column_name for column_name, count in names.items() if count > 1]
    if repeated:
        raise _refuse(source, f"two columns are called '{repeated[0]}'")
    columns: list[sql.Composable] = []
    for column in described:
        info = connection.adapters.types.get(column.type_code)
        name = sql.Identifier(column.name)
        if info is not None and info.name in SHARED_TYPES:
            columns.append(name)
        else:
            columns.append(sql.SQL("{name}::text AS {name}").format(name=name))
    return QUERIES["typed_rows"].format(columns=sql.SQL(", ").join(columns), rows=rows)


def _refuse(source: ForeignSource, reason: str) -> CatalogInvalid:
    return CatalogInvalid(
        f"--from {source.address.display}: {reason}",
        state=STATE,
        remedy="Correct the name of the table, or the query.",
    )
