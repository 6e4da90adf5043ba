"""The ledger in the database, append-only, what is about to be entered, and the passports' digests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from hashlib import sha256

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from streamflow.core.promotion.ledger import FIRST, Action, Entry, last_move
from streamflow.core.training.training_set import Source
from streamflow.errors import SnapshotMissing
from streamflow.warehouse.locks import held

LOCK = 7_590_004  # advisory lock: what MLflow holds and what the ledger says of it are one


@dataclass(frozen=True, kw_only=True)
class Move:
    """A change of a stage that is to be made, or that is noted without one."""

    who: str
    model: str
    action: Action
    stage: str
    version: int | None
    why: str
    forced: bool = False
    evidence: str = ""


@contextmanager
def together(connection: psycopg.Connection) -> Iterator[None]:
    """Write to MLflow and to the ledger within this: whoever takes a picture of the two sees both or neither."""
    with held(connection, LOCK, shared=True):
        yield


@contextmanager
def alone(connection: psycopg.Connection) -> Iterator[None]:
    """Wait for all that write to both, and keep others waiting: to take a picture of the two, or to move what all see."""
    with held(connection, LOCK):
        yield


def entries(
    connection: psycopg.Connection, model: str | None = None, *, whole: bool = False
) -> list[Entry]:
    """Every entry in its order, or those of one model; their evidence, which is the most of them, only if `whole`."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            "SELECT seq, at, who, model, action, stage, from_version, to_version, since, forced, why, evidence_digest,"
            " CASE WHEN %(whole)s THEN evidence ELSE '' END AS evidence, previous, hash"
            " FROM streamflow.ledger WHERE %(model)s::text IS NULL OR model = %(model)s ORDER BY seq",
            {"model": model, "whole": whole},
        ).fetchall()


def append(connection: psycopg.Connection, move: Move, *, since: datetime | None = None) -> Entry:
    """Enter a move; `since` is when it took place, if not now. Call it under `alone`, within a transaction.

    The instant is the database's, but at least a microsecond after the last entry: a clock that is set back reorders nothing.
    """
    known = entries(connection)
    last = known[-1] if known else None
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0] if last is None else max(row[0], last.at + timedelta(microseconds=1))
    ours = [e for e in known if e.model == move.model]
    before = last_move(ours, move.stage)
    moved = at if since is None else min(since, at)
    entry = Entry(
        seq=len(known) + 1,
        at=at,
        who=move.who,
        model=move.model,
        action=move.action,
        stage=move.stage,
        from_version=before.to_version if before else None,
        to_version=move.version,
        since=moved if before is None else max(moved, before.since),
        forced=move.forced,
        why=move.why,
        evidence_digest=sha256(move.evidence.encode()).hexdigest() if move.evidence else "",
        evidence=move.evidence,
        previous=last.hash if last else FIRST,
    )
    entry = replace(entry, hash=entry.content_hash)
    names = [f.name for f in fields(entry)]
    connection.execute(
        sql.SQL("INSERT INTO streamflow.ledger ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(map(sql.Placeholder, names)),
        ),
        vars(entry),
    )
    return entry


def intend(connection: psycopg.Connection, move: Move) -> None:
    """Note what is about to be done in MLflow: after a crash it is completed."""
    connection.execute(
        "INSERT INTO streamflow.pending_move (model, who, action, stage, version, forced, why, evidence)"
        " VALUES (%(model)s, %(who)s, %(action)s, %(stage)s, %(version)s, %(forced)s, %(why)s, %(evidence)s)",
        vars(move),
    )


def intended(connection: psycopg.Connection, model: str) -> Move | None:
    """What a process was about to do when it ended."""
    with connection.cursor(row_factory=class_row(Move)) as cursor:
        return cursor.execute(
            "SELECT who, model, action, stage, version, why, forced, evidence FROM streamflow.pending_move WHERE model = %s",
            [model],
        ).fetchone()


def done(connection: psycopg.Connection, model: str) -> None:
    """Nothing is about to be done any more."""
    connection.execute("DELETE FROM streamflow.pending_move WHERE model = %s", [model])


def record_passport(
    connection: psycopg.Connection,
    model: str,
    sources: Iterable[Source],
    run_id: str,
    version: int,
    digest: str,
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
    row = connection.execute(
        "SELECT digest FROM streamflow.passport WHERE run_id = %s", [run_id]
    ).fetchone()
    return str(row[0]) if row else None
