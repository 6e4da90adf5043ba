"""Frozen rows: making a revision, and asking what is frozen as known at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from streamflow.catalog import Column
from streamflow.core.data.digest import ColumnDigest, TableDigest
from streamflow.core.training.training_set import Source
from streamflow.database import Address, arrow
from streamflow.warehouse.derived import Drop, source
from streamflow.warehouse.drops import LOCK

# one cell of a row's own digest, in the form that core/data/digest.py defines
CELLS = {
    "int": "int8send({c})",
    "float": "float8send({c} + 0)",
    "bool": "int8send({c}::int)",
    "string": "int4send(octet_length({c})) || convert_to({c}, 'UTF8')",
    "date": "int8send({c} - date '1970-01-01')",
    "timestamp": "int8send((extract(epoch FROM {c}) * 1000000)::bigint)",
}
BUCKET = "get_byte(sha256(convert_to({key}::text, 'UTF8')), 0)"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The n-th content of one table at one as_of."""

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    rows: int
    digest: str


def lock_for_writing(connection: psycopg.Connection) -> None:
    """Keep every other writer of raw and frozen rows out until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def known_now(connection: psycopg.Connection) -> datetime:
    """K for a read from now on: nothing that commits later will be known at it."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK])
        row = connection.execute(
            "SELECT greatest(clock_timestamp(), max(known_at)) FROM streamflow.revision"
        ).fetchone()
    assert row is not None
    known: datetime = row[0]
    return known


def revisions(
    connection: psycopg.Connection,
    *,
    known_at: datetime,
    table: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> list[Revision]:
    """The newest revision of each table and as_of in [first, last], as known at `known_at`, by table and as_of."""
    rows = connection.execute(
        "SELECT DISTINCT ON (table_name, as_of) table_name, as_of, revision, known_at, rows, digest FROM streamflow.revision"
        " WHERE known_at <= %(known_at)s AND (%(table)s::text IS NULL OR table_name = %(table)s)"
        " AND (%(first)s::timestamptz IS NULL OR as_of >= %(first)s) AND (%(last)s::timestamptz IS NULL OR as_of <= %(last)s)"
        " ORDER BY table_name, as_of, revision DESC",
        {"known_at": known_at, "table": table, "first": first, "last": last},
    )
    return [_revision(row) for row in rows]


def all_revisions(connection: psycopg.Connection) -> list[Revision]:
    """Every revision that is frozen, by as_of, table and number."""
    rows = connection.execute(
        "SELECT table_name, as_of, revision, known_at, rows, digest FROM streamflow.revision ORDER BY as_of, table_name, revision"
    )
    return [_revision(row) for row in rows]


def pruned(
    connection: psycopg.Connection, newest: Iterable[Revision], known_at: datetime
) -> list[Revision]:
    """The revisions that were the newest known at an instant and were pruned: an older one must not answer in their place."""
    there = {(r.table, r.as_of): r.revision for r in newest}
    rows = connection.execute(
        "SELECT DISTINCT ON (table_name, as_of) table_name, as_of, revision, known_at, 0, '' FROM streamflow.pruned"
        " WHERE known_at <= %s ORDER BY table_name, as_of, revision DESC",
        [known_at],
    )
    return [r for r in map(_revision, rows) if there.get((r.table, r.as_of), 0) < r.revision]


def _revision(row: tuple[Any, ...]) -> Revision:
    table, as_of, number, known_at, rows, digest = row
    return Revision(
        table=table, as_of=as_of, revision=number, known_at=known_at, rows=rows, digest=digest
    )


def stored_digest(connection: psycopg.Connection, revision: Revision) -> TableDigest:
    """The digest of a revision with the buckets of each column it was frozen with."""
    rows = connection.execute(
        "SELECT name, type, buckets FROM streamflow.revision_column WHERE table_name = %s AND as_of = %s AND revision = %s",
        [revision.table, revision.as_of, revision.revision],
    )
    columns = tuple(
        ColumnDigest(name=name, type=kind, buckets=bytes(buckets)) for name, kind, buckets in rows
    )
    return TableDigest(rows=revision.rows, columns=columns)


def sources(connection: psycopg.Connection, wanted: Iterable[Revision]) -> tuple[Source, ...]:
    """The revisions with all that a passport says of them: the digest of each column, and the file they were frozen from."""
    return tuple(_source(connection, revision) for revision in wanted)


def _source(connection: psycopg.Connection, revision: Revision) -> Source:
    file = connection.execute(
        "SELECT file, sha256 FROM streamflow.drop_file WHERE table_name = %s AND as_of = %s AND ingested_at <= %s"
        " ORDER BY id DESC LIMIT 1",
        [revision.table, revision.as_of, revision.known_at],
    ).fetchone()
    name, digest = file or ("", "")
    columns = stored_digest(connection, revision).column_values
    return Source(**asdict(revision), columns=columns, file=name, file_sha256=digest)


def drop_of(
    connection: psycopg.Connection, table: str, as_of: datetime, *, population: str | None = None
) -> Drop:
    """The drop of `as_of` with the newest revision of the one before it."""
    row = connection.execute(
        "SELECT as_of, revision FROM streamflow.revision WHERE table_name = %s AND as_of < %s"
        " ORDER BY as_of DESC, revision DESC LIMIT 1",
        [table, as_of],
    ).fetchone()
    return Drop(as_of=as_of, before=(row[0], row[1]) if row else None, population=population)


def rows_to_freeze(
    address: Address, table: str, columns: Mapping[str, Column], key: str, drop: Drop
) -> Iterator[pl.DataFrame]:
    """The rows of a drop in the order of (bucket, key bytes), in chunks: what a digest reads."""
    return _ordered(address, source(table, columns, key, drop), columns, key)


def frozen_rows(
    address: Address, table: str, types: Mapping[str, str], key: str, as_of: datetime, revision: int
) -> Iterator[pl.DataFrame]:
    """The rows of a revision, in the order of (bucket, key bytes), in chunks."""
    rows = sql.SQL("SELECT {} FROM {} WHERE as_of = {} AND revision = {}").format(
        sql.SQL(", ").join(map(sql.Identifier, types)),
        sql.Identifier("frozen", table),
        sql.Literal(as_of),
        sql.Literal(revision),
    )
    return _ordered(address, rows, types, key)


def _ordered(
    address: Address, rows: sql.Composed, names: Iterable[str], key: str
) -> Iterator[pl.DataFrame]:
    query = sql.SQL(
        'SELECT {columns} FROM ({rows}) AS row ORDER BY {bucket}, {key}::text COLLATE "C"'
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        rows=rows,
        bucket=sql.SQL(BUCKET).format(key=sql.Identifier(key)),
        key=sql.Identifier(key),
    )
    for batch in arrow.stream(address, query.as_string()):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def copy_rows(
    connection: psycopg.Connection, table: str, columns: Mapping[str, Column], key: str, drop: Drop
) -> int:
    """Copy the rows of a drop into a new revision and return its number. Call it under the writing lock.

    The rows are not known, and no read sees them, until `record` has entered the revision. They come as they
    lie in raw: in the order of their keys, as `ingest` loads them and the index wants them.
    """
    row = connection.execute(
        "SELECT coalesce(max(revision), 0) + 1 FROM streamflow.revision WHERE table_name = %s AND as_of = %s",
        [table, drop.as_of],
    ).fetchone()
    assert row is not None
    number: int = row[0]
    statement = sql.SQL(
        "INSERT INTO {frozen} (as_of, revision, {names}, row_digest)"
        " SELECT {as_of}, {revision}, {names}, {digest} FROM ({rows}) AS row"
    ).format(
        frozen=sql.Identifier("frozen", table),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
        as_of=sql.Literal(drop.as_of),
        revision=sql.Literal(number),
        digest=_row_digest({name: c.type for name, c in columns.items()}),
        rows=source(table, columns, key, drop),
    )
    connection.execute(statement)
    return number


def record(
    connection: psycopg.Connection, as_of: datetime, frozen: Mapping[str, tuple[int, TableDigest]]
) -> list[Revision]:
    """Enter the revisions table -> (number, digest): the last act before commit, which gives all of them one `known_at`."""
    if not frozen:
        return []
    row = connection.execute(
        "SELECT greatest(clock_timestamp(), (SELECT max(known_at) + interval '1 microsecond' FROM streamflow.revision))"
    ).fetchone()
    assert row is not None
    known_at: datetime = row[0]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO streamflow.revision (table_name, as_of, revision, known_at, rows, digest) VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (table, as_of, number, known_at, digest.rows, digest.value)
                for table, (number, digest) in frozen.items()
            ],
        )
        cursor.executemany(
            "INSERT INTO streamflow.revision_column (table_name, as_of, revision, name, type, buckets)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (table, as_of, number, column.name, column.type, column.buckets)
                for table, (number, digest) in frozen.items()
                for column in digest.columns
            ],
        )
    return [
        Revision(
            table=table,
            as_of=as_of,
            revision=number,
            known_at=known_at,
            rows=digest.rows,
            digest=digest.value,
        )
        for table, (number, digest) in frozen.items()
    ]


def _row_digest(types: Mapping[str, str]) -> sql.Composed:
    cell = "coalesce('\\x01'::bytea || {value}, '\\x00'::bytea)"
    cells = [
        sql.SQL(cell).format(value=sql.SQL(CELLS[types[name]]).format(c=sql.Identifier(name)))
        for name in sorted(types)
    ]
    return sql.SQL("substr(sha256({}), 1, 16)").format(sql.SQL(" || ").join(cells))


def keys_and_labels(
    address: Address, table: str, key: str, label: str | None, as_of: datetime, known_at: datetime
) -> pl.DataFrame:
    """The key (and label) of each row of `table` at exactly `as_of`, as known at `known_at`. (n, 1 or 2)"""
    columns = [key] + ([label] if label else [])
    query = sql.SQL(
        "SELECT {columns} FROM {history} WHERE as_of = $1 AND known_at <= $2 AND (superseded_at IS NULL OR superseded_at > $2)"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        history=sql.Identifier("history", table),
    )
    return pl.DataFrame(arrow.read(address, query.as_string(), [as_of, known_at]))


def rows_of(
    address: Address, table: str, columns: Iterable[str], places: Iterable[tuple[datetime, int]]
) -> pl.DataFrame:
    """The rows of the revisions (as_of, revision) of a table, in no order. (n, as_of and `columns`)"""
    wanted = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(as_of), sql.Literal(number))
        for as_of, number in places
    )
    query = sql.SQL(
        "SELECT as_of, {columns} FROM {table} WHERE (as_of, revision) IN ({wanted})"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier("frozen", table),
        wanted=wanted,
    )
    return pl.DataFrame(arrow.read(address, query.as_string()))
