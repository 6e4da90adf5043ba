"""The work that persons started from a page of the console, append-only. No user is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from streamflow.database.locks import CONSOLE_WORK
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "console_actions.sql")


@dataclass(frozen=True, kw_only=True)
class NewAction:
    """Work that is started from a page: which job, who, what, and on what."""

    job: str
    who: str
    action: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class ActionLine:
    """Work that was started from a page, and how it ended.

    state    started: it still runs; interrupted: it recorded no end, and its process is gone, or
             the connection of its process was lost; done; failed
    outcome  in one line; empty before the end
    """

    number: int
    job: str
    who: str
    action: str
    subject: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    outcome: str


@contextmanager
def hold_work(connection: psycopg.Connection, job: str) -> Iterator[None]:
    """Show during the block that the process of a job lives. PostgreSQL notices if it is killed."""
    values = {"lock": CONSOLE_WORK, "job": job}
    connection.execute(QUERIES["lock_work"], values)
    try:
        yield
    finally:
        if not connection.broken and not connection.closed:
            connection.execute(QUERIES["unlock_work"], values)


def record_state(
    connection: psycopg.Connection,
    action: NewAction,
    state: str,
    outcome: str = "",
) -> None:
    """Append a state of the work; the database sets its instant."""
    values = {**vars(action), "state": state, "outcome": outcome}
    connection.execute(QUERIES["insert_action"], values)


def newest_actions(
    connection: psycopg.Connection,
    *,
    below: int | None = None,
    job: str | None = None,
    limit: int,
) -> list[ActionLine]:
    """Read the work that was started last, the newest first: all of it, or one job."""
    with connection.cursor(row_factory=class_row(ActionLine)) as cursor:
        parameters = {"below": below, "job": job, "limit": limit, "lock": CONSOLE_WORK}
        return cursor.execute(QUERIES["select_newest_actions"], parameters).fetchall()
