"""Evidence that explains why frozen rows changed.

There are three kinds: the stored digest of each row, the raw rows of the drop, and the record of
erasures on request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.core.training.training_set import Source
from streamflow.database import Address, arrow
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.derived import rows_to_freeze_sql as raw_source
from streamflow.warehouse.frozen import BUCKET_SQL, find_drop
from streamflow.warehouse.sql_lists import list_identifiers

QUERIES = load_queries(__file__, "change_evidence.sql")


def read_rows_in_buckets(
    address: Address,
    source: Source,
    columns: Iterable[str],
    key: str,
    buckets: Iterable[int],
) -> pl.DataFrame:
    """Read the rows of a revision in some buckets, each with the digest that is stored for it.

    Returns:
        (n, `columns` and row_digest)
    """
    query = sql.SQL(
        "SELECT {columns}, row_digest FROM {table}"
        " WHERE as_of = {as_of} AND revision = {revision} AND {bucket} = ANY({buckets})"
    )
    return _read_frame(
        address,
        query,
        columns=list_identifiers(columns),
        table=sql.Identifier("frozen", source.table),
        as_of=sql.Literal(source.as_of),
        revision=sql.Literal(source.revision),
        bucket=sql.SQL(BUCKET_SQL).format(key=sql.Identifier(key)),
        buckets=sql.Literal(sorted(buckets)),
    )


def read_raw_rows_in_buckets(
    connection: psycopg.Connection,
    address: Address,
    source: Source,
    catalog: Catalog,
    names: Collection[str],
    buckets: Iterable[int],
) -> pl.DataFrame:
    """Read the raw rows of a drop in some buckets, in the form in which they would be frozen now.

    Args:
        connection: the database.
        address: the same database.
        source: the revision that was frozen from the drop.
        catalog: declares the table.
        names: the columns to read, as far as the catalog declares them.
        buckets: the buckets.

    Returns:
        (n, `columns`); an empty frame when the drop or one of the columns no longer exists.
    """
    rows = connection.execute(QUERIES["select_raw_columns"], [source.table])
    raw_columns = {name for (name,) in rows}
    columns = {
        name: column for name, column in catalog.columns(source.table).items() if name in names
    }
    file_columns = set(catalog.file_columns(source.table))
    if source.table not in catalog.events:
        file_columns &= columns.keys()
    if not file_columns <= raw_columns:
        return pl.DataFrame()
    key = catalog.entity.key
    drop = find_drop(connection, catalog, source.table, source.as_of)
    return _read_frame(
        address,
        sql.SQL("SELECT * FROM ({rows}) AS raw WHERE {bucket} = ANY({buckets})"),
        rows=raw_source(source.table, columns, key, drop),
        bucket=sql.SQL(BUCKET_SQL).format(key=sql.Identifier(key)),
        buckets=sql.Literal(sorted(buckets)),
    )


def _read_frame(address: Address, query: sql.SQL, **fragments: sql.Composable) -> pl.DataFrame:
    return pl.DataFrame(arrow.read(address, query.format(**fragments).as_string()))


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """How erasures on request changed a revision since its digest was recorded.

    rows    how many rows were erased
    digest  the digest of the rows that remain
    """

    rows: int
    digest: str


def follow_erasures(connection: psycopg.Connection, source: Source) -> Erasure:
    """Follow the tombstones of a revision from its recorded digest to its newest one."""
    tombstones = connection.execute(
        QUERIES["select_tombstones"],
        [source.table, source.as_of, source.revision],
    )
    digest = source.digest
    row_count = 0
    for old_digest, new_digest in tombstones:
        if old_digest == digest:
            digest = new_digest
            row_count += 1
    return Erasure(rows=row_count, digest=digest)
