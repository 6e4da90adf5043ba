"""The revisions whose rows lie in the lake, and the copies of them that are loaded.

`frozen.T` holds such a copy while a command needs it. The newest revision of the newest drop of
each table stays loaded: pages, `score` and `materialize` read it every day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from streamflow.database import Address, adbc, arrow
from streamflow.database.locks import LOADED_ROWS, RAW_AND_FROZEN_ROWS, transaction_lock_sql
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.frozen import RevisionKey
from streamflow.warehouse.revision_writing import compute_row_digest
from streamflow.warehouse.sql_lists import list_identifiers

QUERIES = load_queries(__file__, "lake_revisions.sql")
INSTANT = pl.Datetime("us", "UTC")

UNLOADED = sql.SQL(
    "SELECT l.as_of, l.revision FROM streamflow.lake_revision AS l"
    " JOIN streamflow.revision AS r USING (table_name, as_of, revision)"
    " WHERE table_name = {name} AND r.rows > 0 AND NOT EXISTS (SELECT FROM {table} AS f"
    " WHERE f.as_of = l.as_of AND f.revision = l.revision)"
)
UNLOAD = sql.SQL(
    "DELETE FROM {table} AS f USING streamflow.lake_revision AS l"
    " WHERE l.table_name = {name} AND f.as_of = l.as_of AND f.revision = l.revision"
    " AND (f.as_of, f.revision) <> (SELECT r.as_of, r.revision FROM streamflow.revision AS r"
    " WHERE r.table_name = {name} ORDER BY r.as_of DESC, r.revision DESC LIMIT 1)"
)


@dataclass(frozen=True, kw_only=True)
class LakeRevision:
    """A revision whose rows lie in the lake: the Iceberg snapshot that holds exactly these rows."""

    table: str
    as_of: datetime
    revision: int
    snapshot_id: int

    @property
    def revision_key(self) -> RevisionKey:
        """Return what identifies the revision in this installation."""
        return self.table, self.as_of, self.revision


def revisions_in_lake(connection: psycopg.Connection) -> dict[RevisionKey, LakeRevision]:
    """Read which revisions have their rows in the lake."""
    rows = connection.execute(QUERIES["select_lake_revisions"])
    in_lake = {}
    for table, as_of, number, snapshot_id in rows:
        in_lake[table, as_of, number] = LakeRevision(
            table=table, as_of=as_of, revision=number, snapshot_id=snapshot_id
        )
    return in_lake


def has_lake_tables(connection: psycopg.Connection) -> bool:
    """Return whether rows were ever written into the lake of this installation."""
    queries = (QUERIES["select_has_catalog"], QUERIES["select_has_lake_tables"])
    return all(connection.execute(query).fetchone() == (True,) for query in queries)


def unloaded_revisions(connection: psycopg.Connection) -> dict[RevisionKey, LakeRevision]:
    """Read which revisions have their rows in the lake only."""
    in_lake = revisions_in_lake(connection)
    unloaded = {}
    for table in sorted({table for table, _, _ in in_lake}):
        query = UNLOADED.format(name=sql.Literal(table), table=sql.Identifier("frozen", table))
        for as_of, number in connection.execute(query):
            unloaded[table, as_of, number] = in_lake[table, as_of, number]
    return unloaded


def record_in_lake(
    connection: psycopg.Connection,
    revision: LakeRevision,
    label: str | None,
) -> None:
    """Record that the rows of a new revision lie in the lake.

    Args:
        connection: the transaction in which the revision is entered.
        revision: the revision.
        label: the column of the label if the table has it. Its true values are counted.
    """
    positives = None
    if label is not None:
        query = sql.SQL("SELECT count(*) FROM {} WHERE as_of = %s AND revision = %s AND {}").format(
            sql.Identifier("frozen", revision.table),
            sql.Identifier(label),
        )
        row = connection.execute(query, [revision.as_of, revision.revision]).fetchone()
        assert row is not None
        positives = row[0]
    values = [*revision.revision_key, revision.snapshot_id, label, positives]
    connection.execute(QUERIES["insert_lake_revision"], values)


def record_erasure(
    connection: psycopg.Connection,
    revision: LakeRevision,
    erased_positives: int,
) -> None:
    """Record the snapshot of the rows that remain after an erasure, as the maintenance role."""
    values = [revision.snapshot_id, erased_positives, *revision.revision_key]
    connection.execute(QUERIES["update_lake_revision"], values)


@dataclass(frozen=True, kw_only=True)
class RowsToLoad:
    """The rows of a revision as the lake has them, in chunks, and the types of their columns."""

    revision_key: RevisionKey
    types: dict[str, str]
    chunks: Iterable[pl.DataFrame]


def load_rows(address: Address, pending: Iterable[RowsToLoad]) -> None:
    """Copy rows of the lake into the frozen tables, in one transaction.

    `address` names the maintenance role. Nobody writes or erases frozen rows meanwhile. An error
    of `chunks` rolls everything back.
    """
    with adbc.connection(address) as connection:
        with connection.cursor() as cursor:
            cursor.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS))
            cursor.fetchall()
        for number, rows in enumerate(pending):
            temporary = f"loading_{number}"
            arrow.ingest_temporary(connection, temporary, rows.chunks)
            with connection.cursor() as cursor:
                cursor.execute(_compose_insert(rows, temporary).as_string())
                cursor.execute(f"DROP TABLE pg_temp.{temporary}")
        connection.commit()


def _compose_insert(rows: RowsToLoad, temporary: str) -> sql.Composed:
    """Compose the INSERT that freezes loaded rows; PostgreSQL computes the digest of each."""
    table, as_of, number = rows.revision_key
    return sql.SQL(
        "INSERT INTO {frozen} (as_of, revision, {names}, row_digest)"
        " SELECT {as_of}, {revision}, {names}, {digest} FROM {temporary}"
    ).format(
        frozen=sql.Identifier("frozen", table),
        names=list_identifiers(rows.types),
        as_of=sql.Literal(as_of),
        revision=sql.Literal(number),
        digest=compute_row_digest(rows.types),
        temporary=sql.Identifier("pg_temp", temporary),
    )


def unload_rows(connection: psycopg.Connection) -> int:
    """Delete the copies of rows that lie in the lake, unless a command still needs them.

    Only the maintenance role may do this. The newest revision of the newest drop stays.

    Returns:
        how many rows were deleted.
    """
    row = connection.execute(QUERIES["try_lock_loaded_rows"], [LOADED_ROWS]).fetchone()
    if not (row and row[0]):
        return 0
    connection.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS))
    deleted = 0
    for (table,) in connection.execute(QUERIES["select_tables_of_lake"]).fetchall():
        names: dict[str, Any] = {
            "table": sql.Identifier("frozen", table),
            "name": sql.Literal(table),
        }
        deleted += connection.execute(UNLOAD.format(**names)).rowcount
    return deleted
