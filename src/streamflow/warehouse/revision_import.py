"""Import frozen revisions of a different installation, with their number and `known_at`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.data.digest import compute_row_digests
from streamflow.core.versions.manifest import ExportedRevision
from streamflow.database import Address, adbc, arrow
from streamflow.database.locks import RAW_AND_FROZEN_ROWS, transaction_lock_sql
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "revision_import.sql")

ReadChunks = Callable[[ExportedRevision], Iterable[pl.DataFrame]]
INSTANT = pl.Datetime("us", "UTC")
REVISION_KEY: dict[str, pl.DataType] = {
    "table_name": pl.String(),
    "as_of": INSTANT,
    "revision": pl.Int32(),
}


def check_revisions(
    connection: psycopg.Connection,
    revisions: Sequence[ExportedRevision],
) -> tuple[list[ExportedRevision], list[str]]:
    """Find the revisions that are not here yet, and those that cannot be imported.

    A revision that is here with the same content is neither. A drop of a table that was loaded
    here stays as it is. If nothing was loaded, a further revision can be imported if its number
    and its `known_at` are in the same order as those that are here. An older one can always be
    imported: reads from now on still see the newest one.

    Returns:
        the revisions that are missing here, and a sentence for each one that is refused.
    """
    missing = []
    refusals = []
    for revision in revisions:
        rows = connection.execute(
            QUERIES["select_revisions_of_drop"], [revision.table, revision.as_of]
        ).fetchall()
        digests = {number: digest for number, _, digest in rows}
        if digests.get(revision.revision) == revision.digest:
            continue
        refusal = _explain_refusal(connection, revision, rows)
        if refusal:
            refusals.append(f"{revision}: {refusal}")
        else:
            missing.append(revision)
    return missing, refusals


def _explain_refusal(
    connection: psycopg.Connection,
    revision: ExportedRevision,
    rows: Sequence[tuple[int, datetime, str]],
) -> str:
    """Return why a revision cannot be imported, or an empty text.

    Args:
        connection: the database.
        revision: the revision.
        rows: (number, known_at, digest) of the revisions of the same drop that are here.
    """
    numbers = [number for number, _, _ in rows]
    if revision.revision in numbers:
        return "this installation has a revision of this number with different content"
    for number, known_at, _ in rows:
        if (number < revision.revision) != (known_at < revision.known_at):
            return "the revisions of this drop became known here in a different order"
    is_newest = bool(numbers) and revision.revision > max(numbers)
    if is_newest and _was_loaded(connection, revision.table, revision.as_of):
        return "this drop was loaded here, and an import does not change it"
    return ""


def _was_loaded(connection: psycopg.Connection, table: str, as_of: datetime) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE as_of = %s)").format(
        sql.Identifier("raw", table)
    )
    row = connection.execute(query, [as_of]).fetchone()
    return bool(row and row[0])


@contextmanager
def lock_frozen_rows(address: Address) -> Iterator[Any]:
    """Open a transaction for `import_revisions`, in which nobody else writes or erases rows.

    What is looked up within the block stays true until the rows are inserted: `forget` waits.
    """
    with adbc.connection(address) as connection:
        with connection.cursor() as cursor:
            cursor.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS))
            cursor.fetchall()
        yield connection


def import_revisions(
    connection: Any,
    revisions: Sequence[ExportedRevision],
    read_chunks: ReadChunks,
) -> None:
    """Insert rows, revisions and their digests in one transaction.

    The transaction ends here. The record of delivered files stays as it is: it describes
    the raw tables, and an import brings no raw rows.

    Args:
        connection: the transaction that `lock_frozen_rows` began.
        revisions: the revisions to insert.
        read_chunks: reads the rows of a revision in chunks.
    """
    for revision in revisions:
        rows = _make_rows(revision, read_chunks(revision))
        arrow.ingest(connection, "frozen", revision.table, rows)
    arrow.ingest(connection, "streamflow", "revision", [_make_revision_rows(revisions)])
    arrow.ingest(connection, "streamflow", "revision_column", [_make_column_rows(revisions)])
    connection.commit()


def _make_rows(
    revision: ExportedRevision,
    chunks: Iterable[pl.DataFrame],
) -> Iterator[pl.DataFrame]:
    """Yield the rows as they are frozen; the digest of each row is computed from its cells."""
    revision_key = [
        pl.lit(revision.as_of).cast(INSTANT).alias("as_of"),
        pl.lit(revision.revision, pl.Int32).alias("revision"),
    ]
    for chunk in chunks:
        digests = pl.Series(
            "row_digest",
            compute_row_digests(chunk, types=revision.types),
            pl.Binary,
        )
        yield chunk.select(*revision_key, pl.all()).with_columns(digests)


def _make_revision_rows(revisions: Sequence[ExportedRevision]) -> pl.DataFrame:
    rows = [(*_make_key(r), r.known_at, r.rows, r.digest) for r in revisions]
    schema = {**REVISION_KEY, "known_at": INSTANT, "rows": pl.Int64(), "digest": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _make_column_rows(revisions: Sequence[ExportedRevision]) -> pl.DataFrame:
    rows = []
    for revision in revisions:
        for column in revision.columns:
            buckets = bytes.fromhex(column.buckets)
            rows.append((*_make_key(revision), column.name, column.type, buckets))
    schema = {**REVISION_KEY, "name": pl.String(), "type": pl.String(), "buckets": pl.Binary()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _make_key(revision: ExportedRevision) -> tuple[str, datetime, int]:
    return revision.table, revision.as_of, revision.revision


def imported_versions(
    connection: psycopg.Connection,
    passport_digest: str,
) -> list[tuple[str, int]]:
    """Return (run id, version) of each version that was registered here with this passport."""
    rows = connection.execute(QUERIES["select_versions_of_passport"], [passport_digest])
    return [(run_id, version) for run_id, version in rows]
