"""The events that webhooks tell of, and the attempts to deliver them. Both are append-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "webhooks.sql")

# Seconds from the n-th attempt to the next one. After the last attempt an event is given up: its
# receiver has been away for more than three days.
DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_ATTEMPTS = len(DELAYS_S) + 1
# The answer by which a receiver says that it wants no more attempts.
GONE = 410


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """Something that happened, as it is sent.

    id    the same in every attempt
    body  JSON
    """

    id: str
    type: str
    body: str


@dataclass(frozen=True, kw_only=True)
class WebhookDelivery:
    """An event, and what came of the attempts to deliver it.

    attempts      how many there were
    attempted_at  when the last one was; None without an attempt
    status        HTTP status of the last answer; None without an answer
    problem       why the last attempt failed; empty otherwise
    """

    id: str
    at: datetime
    type: str
    body: str
    attempts: int
    attempted_at: datetime | None
    status: int | None
    problem: str

    @property
    def state(self) -> str:
        """Return "delivered", "waiting", or "given up"."""
        if self.attempts and not self.problem:
            return "delivered"
        is_over = self.attempts >= MAX_ATTEMPTS or self.status == GONE
        return "given up" if is_over else "waiting"

    @property
    def due_at(self) -> datetime | None:
        """Return when the next attempt is due; None when there is none."""
        if self.state != "waiting":
            return None
        if self.attempted_at is None:
            return self.at
        return self.attempted_at + timedelta(seconds=DELAYS_S[self.attempts - 1])


def add_event(connection: psycopg.Connection, event: WebhookEvent) -> None:
    """Enter an event, in the transaction of what it tells of."""
    connection.execute(QUERIES["insert_event"], vars(event))


def list_deliveries(
    connection: psycopg.Connection, *, waiting: bool = False
) -> list[WebhookDelivery]:
    """Read each event with its last attempt, the oldest first; with `waiting`, those not over."""
    with connection.cursor(row_factory=class_row(WebhookDelivery)) as cursor:
        cursor.execute(QUERIES["select_deliveries"], {"waiting": waiting})
        return cursor.fetchall()


def read_clock(connection: psycopg.Connection) -> datetime:
    """Read the clock of the database, by which attempts are due."""
    row = connection.execute(QUERIES["select_clock"]).fetchone()
    assert row is not None
    instant: datetime = row[0]
    return instant


def record_attempt(
    connection: psycopg.Connection,
    delivery: WebhookDelivery,
    *,
    receiver: str,
    status: int | None,
    problem: str,
) -> None:
    """Record the next attempt of a delivery.

    Args:
        connection: the database.
        delivery: as it was before the attempt.
        receiver: host and port.
        status: HTTP status of the answer; None without an answer.
        problem: why the attempt failed; empty when it was accepted.
    """
    values = {
        "event_id": delivery.id,
        "number": delivery.attempts + 1,
        "receiver": receiver,
        "status": status,
        "problem": problem,
    }
    connection.execute(QUERIES["insert_attempt"], values)
