"""What there is to explain changed frozen rows with: the rows' own digests, the drop's raw rows, and erasures on request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from streamflow.catalog import Column
from streamflow.core.training.training_set import Source
from streamflow.database import Address, arrow
from streamflow.warehouse.derived import source as raw_source
from streamflow.warehouse.frozen import BUCKET, drop_of


def rows_in(
    address: Address, source: Source, columns: Iterable[str], key: str, buckets: Iterable[int]
) -> pl.DataFrame:
    """The rows of a revision in these buckets, each with its own digest as it is stored. (n, `columns` and row_digest)"""
    query = sql.SQL(
        "SELECT {columns}, row_digest FROM {table} WHERE as_of = {as_of} AND revision = {revision} AND {bucket} = ANY({b})"
    )
    return _read(
        address,
        query,
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier("frozen", source.table),
        as_of=sql.Literal(source.as_of),
        revision=sql.Literal(source.revision),
        bucket=sql.SQL(BUCKET).format(key=sql.Identifier(key)),
        b=sql.Literal(sorted(buckets)),
    )


def raw_rows_in(
    connection: psycopg.Connection,
    address: Address,
    source: Source,
    columns: Mapping[str, Column],
    key: str,
    buckets: Iterable[int],
    *,
    population: str | None,
) -> pl.DataFrame:
    """The drop's raw rows in these buckets as they would be frozen now; none where the drop or a column is gone. (n, `columns`)"""
    there = connection.execute(
        "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'raw' AND table_name = %s",
        [source.table],
    )
    held = {name for (name,) in there}
    if any(column.expr is None and name not in held for name, column in columns.items()):
        return pl.DataFrame()
    drop = drop_of(connection, source.table, source.as_of, population=population)
    query = sql.SQL("SELECT * FROM ({rows}) AS raw WHERE {bucket} = ANY({b})")
    return _read(
        address,
        query,
        rows=raw_source(source.table, columns, key, drop),
        bucket=sql.SQL(BUCKET).format(key=sql.Identifier(key)),
        b=sql.Literal(sorted(buckets)),
    )


def _read(address: Address, query: sql.SQL, **parts: sql.Composable) -> pl.DataFrame:
    return pl.DataFrame(arrow.read(address, query.format(**parts).as_string()))


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """How many rows of a revision were erased on request since it had the recorded digest, and what it is called after."""

    rows: int
    digest: str


def erased_since(connection: psycopg.Connection, source: Source) -> Erasure:
    """Follow the tombstones of a revision from the recorded digest on."""
    tombstones = connection.execute(
        "SELECT old_digest, new_digest FROM streamflow.erasure WHERE table_name = %s AND as_of = %s AND revision = %s ORDER BY id",
        [source.table, source.as_of, source.revision],
    )
    digest, rows = source.digest, 0
    for old, new in tombstones:
        if old == digest:
            digest, rows = new, rows + 1
    return Erasure(rows=rows, digest=digest)
