"""The ledger of promotions, append-only, and the passports' digests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from streamflow.core.training_set import Source
from streamflow.errors import SnapshotMissing

LOCK = 7_590_004  # advisory lock: what MLflow holds and what the ledger says of it are one


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One entry of the ledger."""

    who: str
    model: str
    version: int
    stage: str
    replaced: int | None
    forced: bool
    why: str


@contextmanager
def together(connection: psycopg.Connection) -> Iterator[None]:
    """Write to MLflow and to the ledger within this: whoever takes a picture of the two sees both or neither."""
    yield from _holding(connection, "pg_advisory_lock_shared", "pg_advisory_unlock_shared")


@contextmanager
def alone(connection: psycopg.Connection) -> Iterator[None]:
    """Wait for all that write to both, and keep others waiting: to take a picture of the two, or to move what all see."""
    yield from _holding(connection, "pg_advisory_lock", "pg_advisory_unlock")


def _holding(connection: psycopg.Connection, lock: LiteralString, unlock: LiteralString) -> Iterator[None]:
    connection.execute(sql.SQL("SELECT {}({})").format(sql.SQL(lock), LOCK))
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(sql.SQL("SELECT {}({})").format(sql.SQL(unlock), LOCK))


def record(connection: psycopg.Connection, entry: Promotion) -> None:
    """Append a promotion."""
    connection.execute(
        "INSERT INTO streamflow.promotion (who, model, version, stage, replaced, forced, why) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [entry.who, entry.model, entry.version, entry.stage, entry.replaced, entry.forced, entry.why],
    )


def record_passport(
    connection: psycopg.Connection, model: str, sources: Iterable[Source], run_id: str, version: int, digest: str
) -> None:
    """Keep the digest of a version's passport where MLflow cannot reach it, and the revisions that it names: none may go.

    Raises SnapshotMissing when one of them is gone already.
    """
    try:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO streamflow.passport (run_id, model, version, digest) VALUES (%s, %s, %s, %s)",
                [run_id, model, version, digest],
            )
            cursor.executemany(
                "INSERT INTO streamflow.passport_source (run_id, table_name, as_of, revision, digest) VALUES (%s, %s, %s, %s, %s)",
                [(run_id, s.table, s.as_of, s.revision, s.digest) for s in sources],
            )
    except psycopg.errors.ForeignKeyViolation as exc:
        raise SnapshotMissing(
            f"a revision that was read is gone: {exc.diag.message_detail}",
            state="No model version was registered.",
            remedy="'streamflow prune' removed it meanwhile, since a newer one took its place. Run the command again.",
        ) from exc


def passport_digest(connection: psycopg.Connection, run_id: str) -> str | None:
    """The digest of the passport of a run, as it was when its version was registered."""
    row = connection.execute("SELECT digest FROM streamflow.passport WHERE run_id = %s", [run_id]).fetchone()
    return str(row[0]) if row else None
