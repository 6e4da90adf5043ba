"""Raw rows and the drop ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl
import psycopg
from psycopg import sql

from streamflow.database import Address, adbc, arrow

LOCK = 7_590_002  # advisory lock: raw and frozen rows have one writer at a time
LOADING = 7_590_003  # with the day: one loader of a drop at a time


@dataclass(frozen=True, kw_only=True)
class DeliveredFile:
    """One file of a drop, as the ledger keeps it."""

    table: str
    file: str
    sha256: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row that was not loaded: its place in the file, why, and its cells as JSON."""

    table_name: str
    file: str
    line: int
    key: str | None
    reason: str
    cells: str


def delivered(
    connection: psycopg.Connection, as_of: datetime | None = None
) -> dict[datetime, dict[str, DeliveredFile]]:
    """as_of -> table -> the file that its raw rows came from; all drops, or that of `as_of`."""
    rows = connection.execute(
        "SELECT DISTINCT ON (as_of, table_name) as_of, table_name, file, sha256, rows FROM streamflow.drop_file"
        " WHERE %(as_of)s::timestamptz IS NULL OR as_of = %(as_of)s ORDER BY as_of, table_name, id DESC",
        {"as_of": as_of},
    )
    drops: dict[datetime, dict[str, DeliveredFile]] = {}
    for at, table, file, digest, count in rows:
        drops.setdefault(at, {})[table] = DeliveredFile(
            table=table, file=file, sha256=digest, rows=count
        )
    return drops


def raw_keys(address: Address, table: str, key: str, as_of: datetime) -> pl.DataFrame:
    """The keys of one raw table of one drop. (n, 1)"""
    query = sql.SQL("SELECT {} FROM {} WHERE as_of = $1").format(
        sql.Identifier(key), sql.Identifier("raw", table)
    )
    return pl.DataFrame(arrow.read(address, query.as_string(), [as_of]))


@contextmanager
def one_loader(connection: psycopg.Connection, as_of: datetime) -> Iterator[None]:
    """Keep every other loader of the same drop waiting: what one has checked must still hold when it writes."""
    day = as_of.date().toordinal()
    connection.execute("SELECT pg_advisory_lock(%s, %s)", [LOADING, day])
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s, %s)", [LOADING, day])


def replace_drop(
    address: Address,
    as_of: datetime,
    frames: Mapping[str, Iterable[pl.DataFrame]],
    files: Mapping[str, DeliveredFile],
    rejected: Sequence[RejectedRow] = (),
) -> None:
    """Put `frames` in the place of the raw rows of `as_of`, by binary COPY, with their ledger and rejects: one transaction."""
    with adbc.connection(address) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        cursor.fetchall()
        for table, parts in frames.items():
            cursor.execute(
                sql.SQL("DELETE FROM {} WHERE as_of = $1")
                .format(sql.Identifier("raw", table))
                .as_string(),
                [as_of],
            )
            cursor.execute(
                "DELETE FROM streamflow.reject WHERE as_of = $1 AND table_name = $2", [as_of, table]
            )
            arrow.ingest(connection, "raw", table, _stamped(parts, as_of))
            entry = files[table]
            cursor.execute(
                "INSERT INTO streamflow.drop_file (as_of, table_name, file, sha256, rows) VALUES ($1, $2, $3, $4, $5)",
                [as_of, table, entry.file, entry.sha256, entry.rows],
            )
        if rejected:
            rows = pl.DataFrame(
                [asdict(r) for r in rejected], schema_overrides={"line": pl.Int64, "key": pl.String}
            )
            arrow.ingest(connection, "streamflow", "reject", _stamped([rows], as_of))
        connection.commit()


def _stamped(parts: Iterable[pl.DataFrame], as_of: datetime) -> Iterator[pl.DataFrame]:
    stamp = pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("as_of")
    return (part.select(stamp, pl.all()) for part in parts)


def rejected_rows(connection: psycopg.Connection, as_of: datetime) -> list[RejectedRow]:
    """The rows of a drop that were kept apart, by table and line."""
    rows = connection.execute(
        "SELECT table_name, file, line, key, reason, cells FROM streamflow.reject WHERE as_of = %s ORDER BY table_name, line",
        [as_of],
    )
    return [
        RejectedRow(table_name=table, file=file, line=line, key=key, reason=reason, cells=cells)
        for table, file, line, key, reason, cells in rows
    ]


def is_empty(connection: psycopg.Connection, table: str, column: str, as_of: datetime) -> bool:
    """Whether no raw row of a drop has a value in `column`."""
    query = sql.SQL("SELECT NOT EXISTS (SELECT FROM {} WHERE as_of = %s AND {} IS NOT NULL)")
    row = connection.execute(
        query.format(sql.Identifier("raw", table), sql.Identifier(column)), [as_of]
    ).fetchone()
    return bool(row and row[0])
