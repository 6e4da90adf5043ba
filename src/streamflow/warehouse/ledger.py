"""The append-only ledger of stages in the database, pending moves, and digests of passports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from hashlib import sha256

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from streamflow.core.promotion.ledger import (
    FIRST_HASH,
    MOVES,
    PRODUCTION,
    Action,
    Entry,
    find_last_move,
)
from streamflow.core.training.training_set import Source, describe_revision
from streamflow.database.locks import (
    LEDGER,
    RAW_AND_FROZEN_ROWS,
    hold_lock,
    transaction_lock_sql,
)
from streamflow.database.sql_files import load_queries
from streamflow.errors import SnapshotMissing
from streamflow.warehouse.sql_lists import list_identifiers, list_placeholders

QUERIES = load_queries(__file__, "ledger.sql")


@dataclass(frozen=True, kw_only=True)
class Move:
    """A change of a stage that is to be made, or an event that is recorded without a change."""

    who: str
    model: str
    action: Action
    stage: str
    version: int | None
    why: str
    forced: bool = False
    evidence: str = ""


@contextmanager
def lock_ledger_shared(connection: psycopg.Connection) -> Iterator[None]:
    """Write to MLflow and to the ledger within this block.

    A process that copies both, such as a backup, sees both writes or neither.
    """
    with hold_lock(connection, LEDGER, shared=True):
        yield


@contextmanager
def lock_ledger(connection: psycopg.Connection) -> Iterator[None]:
    """Wait for all that write to MLflow and the ledger, and keep new ones waiting in this block.

    Use it to copy both as they are at one instant, or to move a stage that everybody sees.
    """
    with hold_lock(connection, LEDGER):
        yield


def entries(
    connection: psycopg.Connection,
    model: str | None = None,
    *,
    with_evidence: bool = False,
) -> list[Entry]:
    """Read the entries of one model, or of all models, in their order.

    Args:
        connection: the database.
        model: the name of the model; None: all models.
        with_evidence: read the evidence too, which is most of the data; False: it is left empty.
    """
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            QUERIES["select_entries"],
            {"model": model, "whole": with_evidence},
        ).fetchall()


def newest_entries(
    connection: psycopg.Connection,
    model: str,
    *,
    below: int | None = None,
    limit: int,
) -> list[Entry]:
    """Read the newest entries of a model with their evidence, the newest first.

    Args:
        connection: the database.
        model: the name of the model.
        below: only entries with smaller numbers; None: from the newest one on.
        limit: how many entries at most.
    """
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        parameters = {"model": model, "below": below, "limit": limit}
        return cursor.execute(QUERIES["select_newest_entries"], parameters).fetchall()


def newest_moves(
    connection: psycopg.Connection,
    model: str,
    *,
    stage: str = PRODUCTION,
    limit: int,
) -> list[Entry]:
    """Read the newest entries that changed who is in a stage, the newest first."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        parameters = {"model": model, "stage": stage, "moves": list(MOVES), "limit": limit}
        return cursor.execute(QUERIES["select_newest_moves"], parameters).fetchall()


def gate_entry(connection: psycopg.Connection, model: str, version: int) -> Entry | None:
    """Read the newest entry that has the evidence of the gate about a version."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        parameters = {"model": model, "version": version}
        return cursor.execute(QUERIES["select_gate_entry"], parameters).fetchone()


def find_move_at(
    connection: psycopg.Connection,
    model: str,
    instant: datetime,
    *,
    stage: str = PRODUCTION,
) -> Entry | None:
    """Read the entry by which a version held a stage at an instant, with its evidence."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        parameters = {"model": model, "stage": stage, "moves": list(MOVES), "instant": instant}
        return cursor.execute(QUERIES["select_move_at"], parameters).fetchone()


def find_end(connection: psycopg.Connection, move: Entry) -> datetime | None:
    """Read when the version that an entry put into a stage was replaced; None: not yet."""
    parameters = {"model": move.model, "stage": move.stage, "moves": list(MOVES), "seq": move.seq}
    row = connection.execute(QUERIES["select_next_move"], parameters).fetchone()
    return None if row is None else row[0]


def append(connection: psycopg.Connection, move: Move, *, since: datetime | None = None) -> Entry:
    """Append a move to the ledger.

    Call it within a transaction, while the ledger is locked exclusively.

    The instant of the entry is the database's clock, but at least one microsecond after the last
    entry: a clock that is set back does not change the order.

    Args:
        connection: the database.
        move: what is entered.
        since: when the move took place; None: now.
    """
    ledger = entries(connection)
    last = ledger[-1] if ledger else None
    row = connection.execute(QUERIES["select_clock"]).fetchone()
    assert row is not None
    clock: datetime = row[0]
    at = clock if last is None else max(clock, last.at + timedelta(microseconds=1))
    entry = _make_entry(move, ledger, at=at, moved_at=at if since is None else min(since, at))
    names = [field.name for field in fields(entry)]
    statement = sql.SQL("INSERT INTO streamflow.ledger ({}) VALUES ({})").format(
        list_identifiers(names),
        list_placeholders(names),
    )
    connection.execute(statement, vars(entry))
    return entry


def _make_entry(move: Move, ledger: list[Entry], *, at: datetime, moved_at: datetime) -> Entry:
    """Return the entry that follows the ledger, with its hash."""
    model_entries = [entry for entry in ledger if entry.model == move.model]
    previous_move = find_last_move(model_entries, move.stage)
    entry = Entry(
        seq=len(ledger) + 1,
        at=at,
        who=move.who,
        model=move.model,
        action=move.action,
        stage=move.stage,
        from_version=previous_move.to_version if previous_move else None,
        to_version=move.version,
        since=moved_at if previous_move is None else max(moved_at, previous_move.since),
        forced=move.forced,
        why=move.why,
        evidence_digest=sha256(move.evidence.encode()).hexdigest() if move.evidence else "",
        evidence=move.evidence,
        previous=ledger[-1].hash if ledger else FIRST_HASH,
    )
    return replace(entry, hash=entry.content_hash)


def record_pending_move(connection: psycopg.Connection, move: Move) -> None:
    """Record a move before it is made in MLflow, so that it is completed after a crash."""
    connection.execute(QUERIES["insert_pending_move"], vars(move))


def pending_move(connection: psycopg.Connection, model: str) -> Move | None:
    """Return the move that a process began and did not complete before it ended."""
    with connection.cursor(row_factory=class_row(Move)) as cursor:
        return cursor.execute(QUERIES["select_pending_move"], [model]).fetchone()


def delete_pending_move(connection: psycopg.Connection, model: str) -> None:
    """Delete the pending move of a model: it is complete."""
    connection.execute(QUERIES["delete_pending_move"], [model])


def record_passport(
    connection: psycopg.Connection,
    model: str,
    sources: Iterable[Source],
    run_id: str,
    version: int,
    digest: str,
) -> None:
    """Record the digest of a passport and the revisions that it names, in one transaction.

    MLflow cannot change this record. While it exists, no revision that it names can be deleted.

    Raises:
        SnapshotMissing: one of the revisions is deleted already, or `forget` has changed it.
    """
    try:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS, shared=True))
            cursor.execute(QUERIES["insert_passport"], [run_id, model, version, digest])
            cursor.executemany(
                QUERIES["insert_passport_source"],
                [(run_id, s.table, s.as_of, s.revision, s.digest) for s in sources],
            )
            changed = cursor.execute(QUERIES["select_changed_source"], [run_id]).fetchone()
            if changed is not None:
                raise SnapshotMissing(
                    f"{describe_revision(*changed)} was changed by 'forget' while it was read",
                    state="No model version was registered.",
                    remedy="Run the command again.",
                )
    except psycopg.errors.ForeignKeyViolation as exc:
        raise SnapshotMissing(
            f"a revision that was read no longer exists: {exc.diag.message_detail}",
            state="No model version was registered.",
            remedy=(
                "'streamflow prune' deleted it while this command ran, because a newer revision"
                " replaced it. Run the command again."
            ),
        ) from exc


def passport_digest(
    connection: psycopg.Connection,
    run_id: str,
    *,
    model: str,
    version: int,
) -> str | None:
    """Read the digest of a version's passport, as it was when the version was registered.

    Returns:
        None when no version of this model with this number was registered from this run.
    """
    row = connection.execute(
        QUERIES["select_passport_digest"],
        {"run_id": run_id, "model": model, "version": version},
    ).fetchone()
    return str(row[0]) if row else None
