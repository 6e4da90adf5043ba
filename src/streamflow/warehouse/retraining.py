"""Retrainings as the database remembers them: append-only, state after state, so that one that was killed can go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import psycopg

LOCK = 7_590_006  # advisory lock: one retraining at a time

State = Literal["started", "trained", "promoted", "refused"]


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """One state of a retraining. `evidence_digest` names data, features and configuration; `version` is None until trained."""

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
        """Whether the gate has spoken."""
        return self.state in ("promoted", "refused")


@contextmanager
def alone(connection: psycopg.Connection) -> Iterator[bool]:
    """Whether no other process retrains; while it is so, none begins. The lock ends with the connection too."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    assert row is not None
    try:
        yield row[0]
    finally:
        if row[0] and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def latest(connection: psycopg.Connection, model: str, evidence_digest: str) -> Retraining | None:
    """The newest state of the retraining on this evidence; None when there was none."""
    row = connection.execute(
        "SELECT model, evidence_digest, as_of, label_as_of, state, version, why, at FROM streamflow.retraining"
        " WHERE model = %s AND evidence_digest = %s ORDER BY id DESC LIMIT 1",
        [model, evidence_digest],
    ).fetchone()
    if row is None:
        return None
    kind, digest, as_of, label_as_of, state, version, why, at = row
    return Retraining(
        model=kind,
        evidence_digest=digest,
        as_of=as_of,
        label_as_of=label_as_of,
        state=state,
        version=version,
        why=why,
        at=at,
    )


def rests_until(connection: psycopg.Connection, model: str, cooldown: timedelta) -> datetime | None:
    """When the cool-down after the last retraining ends, if that is still to come by the database's clock."""
    row = connection.execute(
        "SELECT max(at) + %(cooldown)s FROM streamflow.retraining WHERE model = %(model)s"
        " HAVING max(at) + %(cooldown)s > clock_timestamp()",
        {"model": model, "cooldown": cooldown},
    ).fetchone()
    return row[0] if row else None


def enter(connection: psycopg.Connection, state: Retraining) -> None:
    """Append a state."""
    connection.execute(
        "INSERT INTO streamflow.retraining (model, evidence_digest, as_of, label_as_of, state, version, why)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [
            state.model,
            state.evidence_digest,
            state.as_of,
            state.label_as_of,
            state.state,
            state.version,
            state.why,
        ],
    )
