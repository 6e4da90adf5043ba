"""The inbox in the database: each folder, with the content that was processed last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg

from streamflow.database.locks import INBOX, hold_lock
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "inbox.sql")


@dataclass(frozen=True, kw_only=True)
class InboxEntry:
    """How the last processing of a folder ended. `as_of` is None if the folder does not give it."""

    folder: str
    digest: str
    as_of: datetime | None
    status: Literal["done", "failed"]
    error: str
    at: datetime


@contextmanager
def lock_inbox(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every other process that works on the inbox waiting during the block."""
    with hold_lock(connection, INBOX):
        yield


def entries(connection: psycopg.Connection) -> dict[str, InboxEntry]:
    """Read the entry of each folder, by as_of and folder."""
    rows = connection.execute(QUERIES["select_entries"])
    return {
        folder: InboxEntry(
            folder=folder,
            digest=digest,
            as_of=as_of,
            status=status,
            error=error,
            at=at,
        )
        for folder, digest, as_of, status, error, at in rows
    }


def record_entry(connection: psycopg.Connection, entry: InboxEntry) -> None:
    """Record how the processing of a folder ended, and replace its entry before."""
    connection.execute(
        QUERIES["upsert_entry"],
        [entry.folder, entry.digest, entry.as_of, entry.status, entry.error, entry.at],
    )
