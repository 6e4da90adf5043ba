"""What became known late: when a drop of a table was first known, and what a later revision of it changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.training.training_set import Source
from streamflow.database import Address, arrow

# every revision that ever was: a pruned one was known as well
KNOWN = (
    "SELECT revision, there FROM (SELECT table_name, as_of, revision, known_at, true AS there FROM streamflow.revision"
    " UNION ALL SELECT table_name, as_of, revision, known_at, false FROM streamflow.pruned) AS known"
    " WHERE table_name = %(table)s AND as_of = %(as_of)s AND known_at <= %(known_at)s ORDER BY revision DESC LIMIT 1"
)
FIRST = (
    "SELECT min(known_at) FROM (SELECT table_name, as_of, known_at FROM streamflow.revision"
    " UNION ALL SELECT table_name, as_of, known_at FROM streamflow.pruned) AS known"
    " WHERE table_name = %(table)s AND as_of = %(as_of)s"
)


def first_known(connection: psycopg.Connection, table: str, as_of: datetime) -> datetime:
    """When the first revision of a frozen drop of `table` became known."""
    row = connection.execute(FIRST, {"table": table, "as_of": as_of}).fetchone()
    assert row is not None
    known: datetime = row[0]
    return known


def newest_known(
    connection: psycopg.Connection, table: str, as_of: datetime, known_at: datetime
) -> tuple[int, bool] | None:
    """The newest revision known at an instant, and whether it is still there; None when none was known."""
    row = connection.execute(
        KNOWN, {"table": table, "as_of": as_of, "known_at": known_at}
    ).fetchone()
    return (row[0], row[1]) if row else None


def changed_columns(
    address: Address, source: Source, former: int, key: str, columns: Sequence[str]
) -> pl.DataFrame:
    """The rows of a revision that are not as in a former one of its drop, found by their digests; a new row is changed.

    returns (n, ·) the key, and for each of `columns` whether it changed
    """
    of = {
        "table": sql.Identifier("frozen", source.table),
        "key": sql.Identifier(key),
        "as_of": sql.Literal(source.as_of),
    }
    changed = [
        sql.SQL("now.{c} IS DISTINCT FROM was.{c} AS {c}").format(c=sql.Identifier(name))
        for name in columns
    ]
    query = sql.SQL(
        "SELECT now.{key}, {changed} FROM {table} AS now LEFT JOIN {table} AS was"
        " ON was.as_of = {as_of} AND was.revision = {former} AND was.{key} = now.{key}"
        " WHERE now.as_of = {as_of} AND now.revision = {revision} AND now.row_digest IS DISTINCT FROM was.row_digest"
    ).format(
        changed=sql.SQL(", ").join(changed),
        former=sql.Literal(former),
        revision=sql.Literal(source.revision),
        **of,
    )
    return pl.DataFrame(arrow.read(address, query.as_string()))
