"""Frozen rows and their revisions, read as they were known at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from streamflow.catalog import Catalog, Column
from streamflow.core.data.digest import BUCKET, ColumnDigest, TableDigest
from streamflow.core.training.training_set import Source
from streamflow.database import Address, arrow
from streamflow.database.locks import RAW_AND_FROZEN_ROWS, transaction_lock_sql
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.derived import DropToFreeze, rows_to_freeze_sql
from streamflow.warehouse.sql_lists import list_identifiers

QUERIES = load_queries(__file__, "frozen.sql")

# The bucket of a key: the first byte of its sha256.
BUCKET_SQL = "get_byte(sha256(convert_to({key}::text, 'UTF8')), 0)"


# Table, as_of and number of a revision.
RevisionKey = tuple[str, datetime, int]


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The n-th content of one table at one `as_of`."""

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    rows: int
    digest: str

    @property
    def revision_key(self) -> RevisionKey:
        """Return what identifies the revision in this installation."""
        return self.table, self.as_of, self.revision


def lock_for_writing(connection: psycopg.Connection) -> None:
    """Keep every other writer of raw and frozen rows waiting until the transaction ends.

    The server must not end the transaction while the command works elsewhere, such as in the lake.
    """
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    connection.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS))


def revisions(
    connection: psycopg.Connection,
    *,
    known_at: datetime,
    table: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> list[Revision]:
    """Read the newest revision of each table and drop, as known at an instant.

    Args:
        connection: the database.
        known_at: the instant; revisions that became known later do not exist.
        table: one table; None: all of them.
        first: the `as_of` of the first drop, included; None: no limit.
        last: the `as_of` of the last drop, included; None: no limit.

    Returns:
        the revisions, by table and as_of.
    """
    rows = connection.execute(
        QUERIES["select_newest_revisions"],
        {"known_at": known_at, "table": table, "first": first, "last": last},
    )
    return [_make_revision(row) for row in rows]


def all_revisions(connection: psycopg.Connection) -> list[Revision]:
    """Read every revision that is frozen, by as_of, table and number."""
    rows = connection.execute(QUERIES["select_all_revisions"])
    return [_make_revision(row) for row in rows]


def revisions_by_key(connection: psycopg.Connection) -> dict[RevisionKey, Revision]:
    """Read every revision that is frozen, by its key."""
    return {revision.revision_key: revision for revision in all_revisions(connection)}


def pruned_revisions(
    connection: psycopg.Connection,
    newest: Iterable[Revision],
    known_at: datetime,
) -> list[Revision]:
    """Find the pruned revisions that were the newest ones known at an instant.

    An older revision must not be read in their place.

    Args:
        connection: the database.
        newest: the newest frozen revisions as known at `known_at`.
        known_at: the instant.
    """
    newest_numbers = {(r.table, r.as_of): r.revision for r in newest}
    rows = connection.execute(QUERIES["select_newest_pruned_revisions"], [known_at])
    pruned_revisions = [_make_revision(row) for row in rows]
    return [r for r in pruned_revisions if newest_numbers.get((r.table, r.as_of), 0) < r.revision]


def _make_revision(row: tuple[Any, ...]) -> Revision:
    table, as_of, number, known_at, row_count, digest = row
    return Revision(
        table=table,
        as_of=as_of,
        revision=number,
        known_at=known_at,
        rows=row_count,
        digest=digest,
    )


def stored_digest(connection: psycopg.Connection, revision: Revision) -> TableDigest:
    """Read the digest of a revision, with the buckets of each column that it was frozen with."""
    rows = connection.execute(
        QUERIES["select_revision_columns"],
        [revision.table, revision.as_of, revision.revision],
    )
    columns = tuple(
        ColumnDigest(name=name, type=column_type, buckets=bytes(buckets))
        for name, column_type, buckets in rows
    )
    return TableDigest(rows=revision.rows, columns=columns)


def sources(connection: psycopg.Connection, revisions: Iterable[Revision]) -> tuple[Source, ...]:
    """Return the revisions with everything that a passport records about them.

    This is the digest of each column, and the file from which the revision was frozen.
    """
    return tuple(_read_source(connection, revision) for revision in revisions)


def _read_source(connection: psycopg.Connection, revision: Revision) -> Source:
    row = connection.execute(
        QUERIES["select_file_of_revision"],
        [revision.table, revision.as_of, revision.known_at],
    ).fetchone()
    file, file_digest = row or ("", "")
    columns = stored_digest(connection, revision).column_values
    return Source(**asdict(revision), columns=columns, file=file, file_sha256=file_digest)


def find_drop(
    connection: psycopg.Connection,
    catalog: Catalog,
    table: str,
    as_of: datetime,
) -> DropToFreeze:
    """Return what is frozen of a table at `as_of`, with the newest revision of the drop before."""
    row = connection.execute(QUERIES["select_previous_revision"], [table, as_of]).fetchone()
    previous_revision = (row[0], row[1]) if row else None
    return DropToFreeze(
        as_of=as_of,
        previous_revision=previous_revision,
        population=catalog.population_of(table),
        events=catalog.events.get(table),
    )


def rows_to_freeze(
    address: Address,
    table: str,
    columns: Mapping[str, Column],
    key: str,
    drop: DropToFreeze,
) -> Iterator[pl.DataFrame]:
    """Read the rows of a drop in chunks, in the order (bucket, bytes of the key) of a digest.

    The column BUCKET is added to them.
    """
    return read_in_order(address, rows_to_freeze_sql(table, columns, key, drop), columns, key)


def frozen_rows(
    address: Address,
    table: str,
    types: Mapping[str, str],
    key: str,
    as_of: datetime,
    revision: int,
) -> Iterator[pl.DataFrame]:
    """Read the rows of a revision in chunks, in the order (bucket, bytes of the key).

    The column BUCKET is added to them.
    """
    rows = sql.SQL("SELECT {} FROM {} WHERE as_of = {} AND revision = {}").format(
        list_identifiers(types),
        sql.Identifier("frozen", table),
        sql.Literal(as_of),
        sql.Literal(revision),
    )
    return read_in_order(address, rows, types, key)


def read_in_order(
    address: Address,
    rows: sql.Composed,
    names: Iterable[str],
    key: str,
) -> Iterator[pl.DataFrame]:
    """Read the rows of a query in chunks, in the order (bucket, bytes of the key)."""
    query = sql.SQL(
        "SELECT {columns}, {bucket} AS {bucket_name} FROM ({rows}) AS row"
        ' ORDER BY {bucket_name}, {key}::text COLLATE "C"'
    ).format(
        columns=list_identifiers(names),
        bucket_name=sql.Identifier(BUCKET),
        rows=rows,
        bucket=sql.SQL(BUCKET_SQL).format(key=sql.Identifier(key)),
        key=sql.Identifier(key),
    )
    for batch in arrow.stream(address, query.as_string()):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def keys_and_labels(
    address: Address,
    table: str,
    key: str,
    label: str | None,
    as_of: datetime,
    known_at: datetime,
) -> pl.DataFrame:
    """Read the key (and label) of each row of a table at one `as_of`, as known at an instant.

    Returns:
        (n, 1 or 2)
    """
    columns = [key] + ([label] if label else [])
    query = sql.SQL(
        "SELECT {columns} FROM {history} WHERE as_of = $1 AND known_at <= $2"
        " AND (superseded_at IS NULL OR superseded_at > $2)"
    ).format(
        columns=list_identifiers(columns),
        history=sql.Identifier("history", table),
    )
    return pl.DataFrame(arrow.read(address, query.as_string(), [as_of, known_at]))


def read_rows(
    address: Address,
    table: str,
    columns: Iterable[str],
    revision_keys: Iterable[tuple[datetime, int]],
) -> pl.DataFrame:
    """Read the rows of some revisions of a table, in any order.

    Args:
        address: the database.
        table: the table.
        columns: the columns to read.
        revision_keys: (as_of, number) of each revision.

    Returns:
        (n, as_of and `columns`)
    """
    pairs = [
        sql.SQL("({}, {})").format(sql.Literal(as_of), sql.Literal(number))
        for as_of, number in revision_keys
    ]
    query = sql.SQL(
        "SELECT as_of, {columns} FROM {table} WHERE (as_of, revision) IN ({pairs})"
    ).format(
        columns=list_identifiers(columns),
        table=sql.Identifier("frozen", table),
        pairs=sql.SQL(", ").join(pairs),
    )
    return pl.DataFrame(arrow.read(address, query.as_string()))
