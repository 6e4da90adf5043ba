"""Raw rows, the record of delivered files, and the rows that were rejected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from streamflow.database import Address, adbc, arrow
from streamflow.database.locks import DROP_LOADING, RAW_AND_FROZEN_ROWS, transaction_lock_sql
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "drops.sql")


@dataclass(frozen=True, kw_only=True)
class DeliveredFile:
    """One file of a drop, as the database records it.

    reading  names the format that the file was read in; empty: strict CSV
    """

    table: str
    file: str
    sha256: str
    rows: int
    reading: str = ""


class DeliveryState(Enum):
    """Whether the raw rows of a drop are those that a revision was frozen from.

    CURRENT   they are
    REPLACED  the files were delivered again later, with the same content or a different one
    ABSENT    the files were not delivered to this installation
    """

    CURRENT = auto()
    REPLACED = auto()
    ABSENT = auto()


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row that was not loaded: its position in the file, the reason, and its cells as JSON."""

    table_name: str
    file: str
    line: int
    key: str | None
    reason: str
    cells: str


def delivered_files(
    connection: psycopg.Connection,
    as_of: datetime | None = None,
) -> dict[datetime, dict[str, DeliveredFile]]:
    """Read the files that the raw rows came from, of the drop `as_of` or of all drops.

    Returns:
        as_of -> table -> file
    """
    rows = connection.execute(QUERIES["select_delivered_files"], {"as_of": as_of})
    drops: dict[datetime, dict[str, DeliveredFile]] = {}
    for drop_as_of, table, file, digest, row_count, reading in rows:
        drops.setdefault(drop_as_of, {})[table] = DeliveredFile(
            table=table,
            file=file,
            sha256=digest,
            rows=row_count,
            reading=reading,
        )
    return drops


def find_delivery_state(
    connection: psycopg.Connection,
    tables: Sequence[str],
    as_of: datetime,
    known_at: datetime,
) -> DeliveryState:
    """Return whether raw rows are those that a revision was frozen from.

    Args:
        connection: the database.
        tables: the tables that the revision was made of.
        as_of: the drop.
        known_at: when the revision was frozen.
    """
    row = connection.execute(
        QUERIES["count_deliveries"],
        {"tables": list(tables), "as_of": as_of, "known_at": known_at},
    ).fetchone()
    assert row is not None
    earlier_tables, later_files = row
    if later_files:
        return DeliveryState.REPLACED
    return DeliveryState.CURRENT if earlier_tables == len(tables) else DeliveryState.ABSENT


def raw_keys(address: Address, table: str, key: str, as_of: datetime) -> pl.DataFrame:
    """Read the keys of one raw table of one drop. (n, 1)"""
    query = sql.SQL("SELECT {} FROM {} WHERE as_of = $1").format(
        sql.Identifier(key),
        sql.Identifier("raw", table),
    )
    return pl.DataFrame(arrow.read(address, query.as_string(), [as_of]))


@contextmanager
def lock_drop(connection: psycopg.Connection, as_of: datetime) -> Iterator[None]:
    """Keep every other loader of the same drop waiting during the block.

    What a loader has checked must still be true when it writes.
    """
    day = as_of.date().toordinal()
    connection.execute(QUERIES["lock_drop"], [DROP_LOADING, day])
    try:
        yield
    finally:
        connection.execute(QUERIES["unlock_drop"], [DROP_LOADING, day])


@contextmanager
def lock_raw_rows(address: Address) -> Iterator[Any]:
    """Open a transaction for `replace_drop`, and keep others from writing or erasing rows in it.

    What is looked up within the block stays true until the drop is written: `forget` waits.
    """
    with adbc.connection(address) as connection:
        with connection.cursor() as cursor:
            cursor.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS))
            cursor.fetchall()
        yield connection


def replace_drop(
    connection: Any,
    as_of: datetime,
    frames: Mapping[str, Iterable[pl.DataFrame]],
    files: Mapping[str, DeliveredFile],
    rejected: Sequence[RejectedRow] = (),
) -> None:
    """Replace the raw rows of a drop by binary COPY, with their files and rejected rows.

    All of it is one transaction, which ends here.

    Args:
        connection: the transaction that `lock_raw_rows` began.
        as_of: the drop.
        frames: table -> its rows, in chunks.
        files: table -> the file that its rows come from.
        rejected: the rows that are not loaded.
    """
    with connection.cursor() as cursor:
        for table, chunks in frames.items():
            delete_rows = sql.SQL("DELETE FROM {} WHERE as_of = $1").format(
                sql.Identifier("raw", table)
            )
            cursor.execute(delete_rows.as_string(), [as_of])
            cursor.execute(QUERIES["delete_rejected_rows"].as_string(), [as_of, table])
            arrow.ingest(connection, "raw", table, _add_as_of(chunks, as_of))
            file = files[table]
            cursor.execute(
                QUERIES["insert_delivered_file"].as_string(),
                [as_of, table, file.file, file.sha256, file.rows, file.reading],
            )
        if rejected:
            rejected_frame = pl.DataFrame(
                [asdict(row) for row in rejected],
                schema_overrides={"line": pl.Int64, "key": pl.String},
            )
            arrow.ingest(connection, "streamflow", "reject", _add_as_of([rejected_frame], as_of))
    connection.commit()


def _add_as_of(chunks: Iterable[pl.DataFrame], as_of: datetime) -> Iterator[pl.DataFrame]:
    column = pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("as_of")
    return (chunk.select(column, pl.all()) for chunk in chunks)


def rejected_rows(connection: psycopg.Connection, as_of: datetime) -> list[RejectedRow]:
    """Read the rows of a drop that were not loaded, by table and line."""
    rows = connection.execute(QUERIES["select_rejected_rows"], [as_of])
    return [
        RejectedRow(table_name=table, file=file, line=line, key=key, reason=reason, cells=cells)
        for table, file, line, key, reason, cells in rows
    ]


def is_column_empty(
    connection: psycopg.Connection,
    table: str,
    column: str,
    as_of: datetime,
) -> bool:
    """Return whether `column` is null in every raw row of a drop."""
    query = sql.SQL("SELECT NOT EXISTS (SELECT FROM {} WHERE as_of = %s AND {} IS NOT NULL)")
    row = connection.execute(
        query.format(sql.Identifier("raw", table), sql.Identifier(column)),
        [as_of],
    ).fetchone()
    return bool(row and row[0])
