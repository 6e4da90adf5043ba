"""The origin of cells: frozen rows with their revision, for the temporal proof.

The proof reads the frozen tables, and not the views that training uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl
import psycopg
from psycopg import sql

from streamflow.column_types import COLUMN_TYPES
from streamflow.core.training.row_sources import DatedRevision
from streamflow.database import Address, arrow
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "provenance.sql")


def frozen_revisions(connection: psycopg.Connection, table: str) -> list[DatedRevision]:
    """Read every frozen revision of a table, by as_of and number."""
    revision_rows = connection.execute(QUERIES["select_revisions"], [table])
    return [DatedRevision(*row) for row in revision_rows]


def read_rows(
    address: Address,
    table: str,
    key: tuple[str, str],
    columns: Iterable[str],
    revisions: Sequence[DatedRevision],
    keys: pl.Series | None,
) -> pl.DataFrame:
    """Read the frozen rows of some revisions, in any order.

    Args:
        address: the database.
        table: the table.
        key: name and catalog type of the key.
        columns: the columns to read.
        revisions: the revisions to read.
        keys: the keys to read; None: all keys.

    Returns:
        (n, ·) as_of, revision, known_at, the key, `columns`
    """
    key_name, key_type = key
    pairs = [_make_pair(revision) for revision in revisions]
    # Without a revision the query returns no row.
    if not pairs:
        pairs = [sql.SQL("({}, {})").format(sql.NULL, sql.NULL)]
    query = sql.SQL(
        "SELECT f.as_of, f.revision, r.known_at, {columns} FROM {frozen} AS f"
        " JOIN streamflow.revision AS r ON r.table_name = {table} AND r.as_of = f.as_of"
        " AND r.revision = f.revision{join_keys}"
        " WHERE (f.as_of, f.revision) IN ({pairs})"
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier("f", name) for name in (key_name, *columns)),
        frozen=sql.Identifier("frozen", table),
        table=sql.Literal(table),
        join_keys=sql.SQL("") if keys is None else _join_keys(key_name, key_type),
        pairs=sql.SQL(", ").join(pairs),
    )
    parameters = [] if keys is None else [keys.to_list()]
    return pl.DataFrame(arrow.read(address, query.as_string(), parameters))


def _make_pair(revision: DatedRevision) -> sql.Composed:
    return sql.SQL("({}, {})").format(sql.Literal(revision.as_of), sql.Literal(revision.revision))


def _join_keys(name: str, key_type: str) -> sql.Composed:
    """Return the SQL that keeps only the rows whose key is in the first parameter."""
    return sql.SQL(" JOIN unnest($1::{}[]) AS asked (key) ON asked.key = f.{}").format(
        sql.SQL(COLUMN_TYPES[key_type].sql),
        sql.Identifier(name),
    )
