"""Late data: when a drop of a table was first known, and what a later revision of it changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.training.training_set import Source
from streamflow.database import Address, arrow
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "late_data.sql")


def first_known_at(connection: psycopg.Connection, table: str, as_of: datetime) -> datetime:
    """Return when the first revision of a frozen drop of a table became known."""
    parameters = {"table": table, "as_of": as_of}
    row = connection.execute(QUERIES["select_first_known_at"], parameters).fetchone()
    assert row is not None
    known_at: datetime = row[0]
    return known_at


def all_first_known(connection: psycopg.Connection) -> dict[tuple[str, datetime], datetime]:
    """Return for each table and drop when its first revision became known."""
    rows = connection.execute(QUERIES["select_all_first_known"]).fetchall()
    return {(table, as_of): known_at for table, as_of, known_at in rows}


def newest_known_revision(
    connection: psycopg.Connection,
    table: str,
    as_of: datetime,
    known_at: datetime,
) -> tuple[int, bool] | None:
    """Find the newest revision of a drop that was known at an instant.

    Returns:
        its number, and whether it is still frozen (not pruned); None when none was known.
    """
    parameters = {"table": table, "as_of": as_of, "known_at": known_at}
    row = connection.execute(QUERIES["select_newest_known"], parameters).fetchone()
    return (row[0], row[1]) if row else None


def changed_columns(
    address: Address,
    source: Source,
    former_number: int,
    key: str,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Read the rows of a revision that differ from an earlier revision of the same drop.

    The stored digests of the rows show which rows differ. A row that is new counts as changed.
    `former_number` is the number of the earlier revision.

    Returns:
        (n, ·) the key, and for each of `columns` whether its value changed.
    """
    comparisons = [
        sql.SQL("now.{c} IS DISTINCT FROM was.{c} AS {c}").format(c=sql.Identifier(name))
        for name in columns
    ]
    query = sql.SQL(
        "SELECT now.{key}, {comparisons} FROM {table} AS now LEFT JOIN {table} AS was"
        " ON was.as_of = {as_of} AND was.revision = {former} AND was.{key} = now.{key}"
        " WHERE now.as_of = {as_of} AND now.revision = {revision}"
        " AND now.row_digest IS DISTINCT FROM was.row_digest"
    ).format(
        key=sql.Identifier(key),
        comparisons=sql.SQL(", ").join(comparisons),
        table=sql.Identifier("frozen", source.table),
        as_of=sql.Literal(source.as_of),
        former=sql.Literal(former_number),
        revision=sql.Literal(source.revision),
    )
    return pl.DataFrame(arrow.read(address, query.as_string()))
