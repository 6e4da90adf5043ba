"""The states of retrainings in the database, append-only.

A retraining whose process was killed continues from its last state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import psycopg
from psycopg.rows import class_row

from streamflow.database.locks import RETRAINING
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "retraining.sql")

State = Literal["started", "trained", "promoted", "refused"]


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """One state of a retraining, as the database records it.

    evidence_digest  names data, features and configuration
    version          the version that was trained; None before
    at               when the database recorded this state; None before
    """

    model: str
    evidence_digest: str
    as_of: datetime
    label_as_of: datetime
    state: State
    version: int | None
    why: str
    at: datetime | None = None

    @property
    def is_decided(self) -> bool:
        """Return whether the gate has promoted or refused the version."""
        return self.state in ("promoted", "refused")


@contextmanager
def try_lock_retraining(connection: psycopg.Connection) -> Iterator[bool]:
    """Try to keep every other retraining from starting during the block; do not wait.

    Yields:
        whether this worked: False when a different process retrains.
    """
    row = connection.execute(QUERIES["try_lock"], [RETRAINING]).fetchone()
    assert row is not None
    is_locked: bool = row[0]
    try:
        yield is_locked
    finally:
        if is_locked and not connection.broken:
            connection.execute(QUERIES["unlock"], [RETRAINING])


def latest_state(
    connection: psycopg.Connection,
    model: str,
    evidence_digest: str,
) -> Retraining | None:
    """Read the newest state of the retraining on this evidence; None when there is none."""
    with connection.cursor(row_factory=class_row(Retraining)) as cursor:
        return cursor.execute(QUERIES["select_latest_state"], [model, evidence_digest]).fetchone()


def find_decided_version(connection: psycopg.Connection, model: str) -> int | None:
    """Find the version that the gate decided about in the newest retraining; None without one.

    The database may be one that is not migrated yet.
    """
    if connection.execute(QUERIES["table_exists"]).fetchone() != (True,):
        return None
    row = connection.execute(QUERIES["select_decided_version"], [model]).fetchone()
    return row[0] if row else None


def end_of_cooldown(
    connection: psycopg.Connection,
    model: str,
    cooldown: timedelta,
) -> datetime | None:
    """Return when the cool-down after the last retraining ends.

    Returns:
        None when this is in the past by the database's clock, or when there was no retraining.
    """
    parameters = {"model": model, "cooldown": cooldown}
    row = connection.execute(QUERIES["select_end_of_cooldown"], parameters).fetchone()
    return row[0] if row else None


def record_state(connection: psycopg.Connection, state: Retraining) -> None:
    """Append a state of a retraining; the database sets its instant."""
    connection.execute(QUERIES["insert_state"], vars(state))
