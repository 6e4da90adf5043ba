"""What was erased on request: tombstones that name no person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.data.digest import TableDigest
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class Erased:
    """One revision out of which a key was taken, with its digest before and after."""

    table: str
    as_of: datetime
    revision: int
    old_digest: str
    new_digest: str


def key_digest(connection: psycopg.Connection, key: str | int) -> str:
    """What stands for a key in a tombstone: sha256 of this installation's secret and the key."""
    return _digest(_secret(connection), str(key))


def forgotten(connection: psycopg.Connection, keys: pl.Series, as_of: date) -> set[str | int]:
    """Those of `keys` that were erased on request after `as_of`: what a drop says of that time is not loaded again."""
    end = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    tombstones = {
        digest
        for (digest,) in connection.execute(
            "SELECT DISTINCT key_digest FROM streamflow.erasure WHERE at >= %s", [end]
        )
    }
    if not tombstones:
        return set()
    secret = _secret(connection)
    return {key for key in keys if _digest(secret, str(key)) in tombstones}


def holders(
    connection: psycopg.Connection, key_name: str, key: str
) -> list[tuple[str, datetime, int]]:
    """(table, as_of, revision) of every revision that holds the key, of tables that the catalog has no more as well."""
    tables = connection.execute(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'frozen' AND column_name = %s ORDER BY 1",
        [key_name],
    ).fetchall()
    found: list[tuple[str, datetime, int]] = []
    for (table,) in tables:
        query = sql.SQL(
            "SELECT as_of, revision FROM {} WHERE {}::text = %s ORDER BY as_of, revision"
        ).format(sql.Identifier("frozen", table), sql.Identifier(key_name))
        found += [(table, as_of, revision) for as_of, revision in connection.execute(query, [key])]
    return found


def erase_frozen(
    connection: psycopg.Connection,
    key_name: str,
    key: str,
    revision: Revision,
    remaining: TableDigest,
) -> None:
    """Take a key out of a revision, whose digest is that of what remains from then on. Only the maintenance role may."""
    place = [revision.table, revision.as_of, revision.revision]
    query = sql.SQL("DELETE FROM {} WHERE as_of = %s AND revision = %s AND {}::text = %s").format(
        sql.Identifier("frozen", revision.table), sql.Identifier(key_name)
    )
    connection.execute(query, [revision.as_of, revision.revision, key])
    connection.execute(
        "UPDATE streamflow.revision SET digest = %s, rows = %s WHERE table_name = %s AND as_of = %s AND revision = %s",
        [remaining.value, remaining.rows, *place],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE streamflow.revision_column SET buckets = %s"
            " WHERE table_name = %s AND as_of = %s AND revision = %s AND name = %s",
            [(column.buckets, *place, column.name) for column in remaining.columns],
        )


def erase_live(connection: psycopg.Connection, key_name: str, key: str) -> dict[str, int]:
    """Delete a key from everything that is not frozen: table -> rows."""
    tables = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.columns"
        " WHERE table_schema IN ('raw', 'online') AND column_name = %s ORDER BY 1, 2",
        [key_name],
    ).fetchall()
    gone = {}
    for schema, table in tables:
        query = sql.SQL("DELETE FROM {} WHERE {}::text = %s").format(
            sql.Identifier(schema, table), sql.Identifier(key_name)
        )
        gone[f"{schema}.{table}"] = connection.execute(query, [key]).rowcount
    gone["streamflow.prediction_log"] = connection.execute(
        "DELETE FROM streamflow.prediction_log WHERE key = %s", [key]
    ).rowcount
    gone["streamflow.score"] = connection.execute(
        "DELETE FROM streamflow.score WHERE key = %s", [key]
    ).rowcount
    gone["streamflow.reject"] = connection.execute(
        "DELETE FROM streamflow.reject WHERE key = %s OR cells::jsonb ->> %s = %s",
        [key, key_name, key],
    ).rowcount
    return {table: rows for table, rows in gone.items() if rows}


def enter(
    connection: psycopg.Connection, *, key: str, who: str, why: str, erased: Sequence[Erased]
) -> None:
    """Write the tombstones: one for the request itself, one per revision."""
    request = Erased(
        table="", as_of=datetime(1, 1, 1, tzinfo=UTC), revision=0, old_digest="", new_digest=""
    )
    digest = key_digest(connection, key)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO streamflow.erasure (who, why, key_digest, table_name, as_of, revision, old_digest, new_digest)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    who,
                    why,
                    digest,
                    one.table,
                    one.as_of,
                    one.revision,
                    one.old_digest,
                    one.new_digest,
                )
                for one in (request, *erased)
            ],
        )


def is_forgotten(connection: psycopg.Connection, key: str) -> bool:
    """Whether this key was erased before."""
    row = connection.execute(
        "SELECT 1 FROM streamflow.erasure WHERE key_digest = %s LIMIT 1",
        [key_digest(connection, key)],
    ).fetchone()
    return row is not None


def _secret(connection: psycopg.Connection) -> bytes:
    row = connection.execute("SELECT erasure_secret FROM streamflow.installation").fetchone()
    assert row is not None
    return bytes(row[0].bytes)


def _digest(secret: bytes, key: str) -> str:
    return sha256(secret + b"\0" + key.encode()).hexdigest()
