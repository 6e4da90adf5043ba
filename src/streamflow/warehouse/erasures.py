"""Erasure of one key on request, and the tombstones that record it without naming a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.data.contract import quote_cell
from streamflow.core.data.digest import TableDigest
from streamflow.database.locks import FORGETTING, hold_lock, transaction_lock_sql
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.frozen import Revision

QUERIES = load_queries(__file__, "erasures.sql")

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # no answer is older
ERASED = "'(erased)'"  # stands in an error where the key stood


@dataclass(frozen=True, kw_only=True)
class ErasedRevision:
    """One revision from which a key was erased, with its digest before and after."""

    table: str
    as_of: datetime
    revision: int
    old_digest: str
    new_digest: str


def key_digest(connection: psycopg.Connection, key: str | int) -> str:
    """Return the digest that stands for a key in a tombstone.

    It is the sha256 of this installation's secret and the key.
    """
    return _compute_digest(_read_secret(connection), str(key))


def find_forgotten_keys(
    connection: psycopg.Connection,
    keys: pl.Series,
    as_of: datetime,
) -> set[str | int]:
    """Return those of `keys` that were erased on request on the day `as_of` or later.

    A drop of that time may still hold them, but it must not bring them back.
    """
    rows = connection.execute(QUERIES["select_erased_key_digests"], [as_of])
    erased_digests = {digest for (digest,) in rows}
    if not erased_digests:
        return set()
    secret = _read_secret(connection)
    return {key for key in keys if _compute_digest(secret, str(key)) in erased_digests}


def find_revisions_with_key(
    connection: psycopg.Connection,
    key_name: str,
    key: str,
) -> list[tuple[str, datetime, int]]:
    """Find every revision that holds a key, also in tables that the catalog no longer declares.

    Returns:
        (table, as_of, revision), by table, as_of and revision.
    """
    tables = connection.execute(QUERIES["select_frozen_tables"], [key_name]).fetchall()
    revisions: list[tuple[str, datetime, int]] = []
    for (table,) in tables:
        query = sql.SQL(
            "SELECT as_of, revision FROM {} WHERE {}::text = %s ORDER BY as_of, revision"
        ).format(sql.Identifier("frozen", table), sql.Identifier(key_name))
        for as_of, revision in connection.execute(query, [key]):
            revisions.append((table, as_of, revision))
    return revisions


def erase_frozen(
    connection: psycopg.Connection,
    key_name: str,
    key: str,
    revision: Revision,
    remaining: TableDigest,
) -> None:
    """Erase a key from a revision, and record the digest of the rows that remain.

    Only the maintenance role may do this.
    """
    revision_key = [revision.table, revision.as_of, revision.revision]
    query = sql.SQL("DELETE FROM {} WHERE as_of = %s AND revision = %s AND {}::text = %s").format(
        sql.Identifier("frozen", revision.table),
        sql.Identifier(key_name),
    )
    connection.execute(query, [revision.as_of, revision.revision, key])
    connection.execute(
        QUERIES["update_revision_digest"],
        [remaining.value, remaining.rows, *revision_key],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            QUERIES["update_column_digest"],
            [(column.buckets, *revision_key, column.name) for column in remaining.columns],
        )


def wait_for_answers(connection: psycopg.Connection) -> datetime:
    """Wait for every answer that is being logged, and return the instant at which none was.

    Answers that are logged later have this instant or a later one.
    """
    with hold_lock(connection, FORGETTING):
        row = connection.execute(QUERIES["select_clock"]).fetchone()
    assert row is not None
    instant: datetime = row[0]
    return instant


def erase_stored(connection: psycopg.Connection, key_name: str, key: str) -> Counter[str]:
    """Delete a key from the raw rows, the prediction log, the scores and the rejects.

    Errors of the inbox that quote the key stay, with ERASED in its place.

    Returns:
        table -> how many rows were deleted or changed, for each table that had rows of this key.
    """
    deleted = _erase_tables(connection, "raw", key_name, key)
    predictions = connection.execute(QUERIES["delete_logged_predictions"], [key, BEGINNING])
    deleted["streamflow.prediction_log"] = predictions.rowcount
    scores = connection.execute(QUERIES["delete_scores"], [key])
    deleted["streamflow.score"] = scores.rowcount
    rejects = connection.execute(QUERIES["delete_rejected_rows"], [key, key_name, key])
    deleted["streamflow.reject"] = rejects.rowcount
    errors = connection.execute(
        QUERIES["erase_from_inbox_errors"],
        {"quoted": quote_cell(key), "erased": ERASED},
    )
    deleted["streamflow.inbox"] = errors.rowcount
    return +deleted


def erase_live(
    connection: psycopg.Connection,
    key_name: str,
    key: str,
    since: datetime,
) -> Counter[str]:
    """Delete a key from the live rows, and from the prediction log what was logged meanwhile.

    From here until the commit, no answer is logged and no live row is written.

    Args:
        connection: the transaction of the erasure.
        key_name: the name of the key column.
        key: the key.
        since: the instant that `wait_for_answers` returned.

    Returns:
        table -> how many rows were deleted, for each table that had rows of this key.
    """
    connection.execute(transaction_lock_sql(FORGETTING))
    deleted = _erase_tables(connection, "online", key_name, key)
    predictions = connection.execute(QUERIES["delete_logged_predictions"], [key, since])
    deleted["streamflow.prediction_log"] = predictions.rowcount
    return +deleted


def _erase_tables(
    connection: psycopg.Connection,
    schema: str,
    key_name: str,
    key: str,
) -> Counter[str]:
    deleted: Counter[str] = Counter()
    tables = connection.execute(QUERIES["select_tables_with_key"], [[schema], key_name]).fetchall()
    for schema_name, table in tables:
        query = sql.SQL("DELETE FROM {} WHERE {}::text = %s").format(
            sql.Identifier(schema_name, table),
            sql.Identifier(key_name),
        )
        deleted[f"{schema_name}.{table}"] = connection.execute(query, [key]).rowcount
    return deleted


def find_returned_keys(connection: psycopg.Connection, key_name: str) -> dict[str, int]:
    """Count in each table the rows of keys that were erased at the as_of of the row or later.

    Returns:
        table -> number of rows, for each table that has such rows.
    """
    schemas = ["raw", "frozen", "online"]
    tables = connection.execute(QUERIES["select_tables_with_key"], [schemas, key_name]).fetchall()
    counts = {}
    for schema, table in tables:
        query = sql.SQL(
            "SELECT count(*) FROM {} WHERE streamflow.is_forgotten({}::text, as_of)"
        ).format(sql.Identifier(schema, table), sql.Identifier(key_name))
        counts[f"{schema}.{table}"] = _count(connection, query)
    counts["streamflow.prediction_log"] = _count(
        connection, QUERIES["count_forgotten_in_prediction_log"]
    )
    counts["streamflow.score"] = _count(connection, QUERIES["count_forgotten_in_score"])
    return {table: row_count for table, row_count in counts.items() if row_count}


def count_forgotten(connection: psycopg.Connection) -> int:
    """Count the keys that were erased on request."""
    return _count(connection, QUERIES["count_forgotten_keys"])


def _count(connection: psycopg.Connection, query: sql.SQL | sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def record_erasures(
    connection: psycopg.Connection,
    *,
    key: str,
    who: str,
    why: str,
    erased: Sequence[ErasedRevision],
) -> None:
    """Write the tombstones: one for the request itself, and one for each revision."""
    request = ErasedRevision(
        table="",
        as_of=datetime(1, 1, 1, tzinfo=UTC),
        revision=0,
        old_digest="",
        new_digest="",
    )
    digest = key_digest(connection, key)
    rows = []
    for erasure in (request, *erased):
        revision_key = (erasure.table, erasure.as_of, erasure.revision)
        rows.append((who, why, digest, *revision_key, erasure.old_digest, erasure.new_digest))
    with connection.cursor() as cursor:
        cursor.executemany(QUERIES["insert_tombstone"], rows)


def is_forgotten(connection: psycopg.Connection, key: str) -> bool:
    """Return whether this key was erased on request before."""
    row = connection.execute(QUERIES["select_tombstone"], [key_digest(connection, key)]).fetchone()
    return row is not None


def _read_secret(connection: psycopg.Connection) -> bytes:
    row = connection.execute(QUERIES["select_secret"]).fetchone()
    assert row is not None
    return bytes(row[0].bytes)


def _compute_digest(secret: bytes, key: str) -> str:
    return sha256(secret + b"\0" + key.encode()).hexdigest()
