"""Write a new revision: copy the rows of a drop, then enter the revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import polars as pl
import psycopg
from psycopg import sql

from streamflow.catalog import Column
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.digest import TableDigest
from streamflow.database import Address
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.derived import DropToFreeze, rows_to_freeze_sql
from streamflow.warehouse.frozen import Revision, read_in_order
from streamflow.warehouse.sql_lists import list_identifiers

QUERIES = load_queries(__file__, "revision_writing.sql")


def copy_rows(
    connection: psycopg.Connection,
    table: str,
    columns: Mapping[str, Column],
    key: str,
    drop: DropToFreeze,
) -> int:
    """Copy the rows of a drop into a new revision and return its number.

    Call it under the writing lock. No read sees the rows until the revision has been entered.
    They are copied in the order in which they lie in raw: by key, as `ingest` loads them and as
    the index wants them.
    """
    row = connection.execute(QUERIES["select_next_number"], [table, drop.as_of]).fetchone()
    assert row is not None
    number: int = row[0]
    statement = sql.SQL(
        "INSERT INTO {frozen} (as_of, revision, {names}, row_digest)"
        " SELECT {as_of}, {revision}, {names}, {digest} FROM ({rows}) AS row"
    ).format(
        frozen=sql.Identifier("frozen", table),
        names=list_identifiers(columns),
        as_of=sql.Literal(drop.as_of),
        revision=sql.Literal(number),
        digest=compute_row_digest({name: column.type for name, column in columns.items()}),
        rows=rows_to_freeze_sql(table, columns, key, drop),
    )
    connection.execute(statement)
    return number


def rows_with_digests(
    address: Address,
    table: str,
    columns: Mapping[str, Column],
    key: str,
    drop: DropToFreeze,
) -> Iterator[pl.DataFrame]:
    """Read the rows of a drop as they are frozen, each with its digest, in the order of a digest.

    Returns:
        chunks of (n, `columns` and row_digest)
    """
    rows = sql.SQL("SELECT {names}, {digest} AS row_digest FROM ({rows}) AS row").format(
        names=list_identifiers(columns),
        digest=compute_row_digest({name: column.type for name, column in columns.items()}),
        rows=rows_to_freeze_sql(table, columns, key, drop),
    )
    return read_in_order(address, rows, [*columns, "row_digest"], key)


def record_revisions(
    connection: psycopg.Connection,
    as_of: datetime,
    frozen: Mapping[str, tuple[int, TableDigest]],
) -> list[Revision]:
    """Enter revisions as the last act before the commit; all of them get one `known_at`.

    Args:
        connection: the database.
        as_of: the drop.
        frozen: table -> number and digest of its new revision.
    """
    if not frozen:
        return []
    row = connection.execute(QUERIES["select_next_known_at"]).fetchone()
    assert row is not None
    known_at: datetime = row[0]
    recorded = []
    column_rows = []
    for table, (number, digest) in frozen.items():
        recorded.append(
            Revision(
                table=table,
                as_of=as_of,
                revision=number,
                known_at=known_at,
                rows=digest.rows,
                digest=digest.value,
            )
        )
        column_rows += [
            (table, as_of, number, column.name, column.type, column.buckets)
            for column in digest.columns
        ]
    revision_rows = [(r.table, r.as_of, r.revision, r.known_at, r.rows, r.digest) for r in recorded]
    with connection.cursor() as cursor:
        cursor.executemany(QUERIES["insert_revision"], revision_rows)
        cursor.executemany(QUERIES["insert_revision_column"], column_rows)
    return recorded


def compute_row_digest(types: Mapping[str, str]) -> sql.Composed:
    """Return the SQL of a row's digest: each cell in turn, and a byte that says if it is null."""
    cell = "coalesce('\\x01'::bytea || {value}, '\\x00'::bytea)"
    cells = []
    for name in sorted(types):
        cell_bytes = sql.SQL(COLUMN_TYPES[types[name]].cell_bytes_sql)
        value = cell_bytes.format(c=sql.Identifier(name))
        cells.append(sql.SQL(cell).format(value=value))
    return sql.SQL("substr(sha256({}), 1, 16)").format(sql.SQL(" || ").join(cells))
