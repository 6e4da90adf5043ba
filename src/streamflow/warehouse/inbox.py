"""The inbox as the database remembers it: each folder with the content that was last processed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg

from streamflow.warehouse.locks import held

LOCK = 7_590_003  # advisory lock: one process at a time works on the inbox


@dataclass(frozen=True, kw_only=True)
class InboxEntry:
    """How the last processing of a folder ended. `as_of` is None where the folder does not say it."""

    folder: str
    digest: str
    as_of: datetime | None
    status: Literal["done", "failed"]
    error: str
    at: datetime


@contextmanager
def alone(connection: psycopg.Connection) -> Iterator[None]:
    """Wait for another process that works on the inbox, and keep others out. The lock ends with the connection too."""
    with held(connection, LOCK):
        yield


def entries(connection: psycopg.Connection) -> dict[str, InboxEntry]:
    """Folder -> its entry."""
    rows = connection.execute(
        "SELECT folder, digest, as_of, status, error, at FROM streamflow.inbox ORDER BY as_of, folder"
    )
    return {
        folder: InboxEntry(
            folder=folder, digest=digest, as_of=as_of, status=status, error=error, at=at
        )
        for folder, digest, as_of, status, error, at in rows
    }


def record(connection: psycopg.Connection, entry: InboxEntry) -> None:
    """Enter how the processing of a folder ended, in the place of what was known of it."""
    connection.execute(
        "INSERT INTO streamflow.inbox (folder, digest, as_of, status, error, at) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (folder) DO UPDATE SET digest = excluded.digest, as_of = excluded.as_of, status = excluded.status,"
        " error = excluded.error, at = excluded.at",
        [entry.folder, entry.digest, entry.as_of, entry.status, entry.error, entry.at],
    )
