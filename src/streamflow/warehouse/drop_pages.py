"""What is known of drops: deliveries, revisions, rejected rows, and refused folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "drop_pages.sql")


@dataclass(frozen=True, kw_only=True)
class DropLine:
    """One drop in a list.

    tables        the tables whose files were delivered; 0: the drop was imported with a version
    rows          of the newest file of each table
    deliveries    how many files were delivered in all
    rejected      the rows that were not loaded
    revisions     how often a table was frozen; known_at is the newest of them
    """

    as_of: datetime
    tables: int
    rows: int
    deliveries: int
    delivered_at: datetime | None
    rejected: int
    revisions: int
    known_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One file that was delivered for a drop. has_own_format: it was not read as strict CSV."""

    table: str
    file: str
    rows: int
    sha256: str
    has_own_format: bool
    delivered_at: datetime


@dataclass(frozen=True, kw_only=True)
class DropRevision:
    """One revision of a table of a drop.

    former_rows      the rows of the revision before; None: this is the first one
    changed_columns  the columns that differ from the revision before
    """

    table: str
    revision: int
    known_at: datetime
    rows: int
    digest: str
    former_rows: int | None
    changed_columns: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class RejectedLine:
    """One row that was not loaded; total is how many there are in the drop."""

    file: str
    line: int
    key: str | None
    reason: str
    total: int


@dataclass(frozen=True, kw_only=True)
class RefusedFolder:
    """A folder of the inbox that could not be processed, with the violations in its error."""

    folder: str
    as_of: datetime | None
    error: str
    at: datetime


def newest_drops(
    connection: psycopg.Connection,
    *,
    below_day: datetime | None,
    limit: int,
) -> list[DropLine]:
    """Read the newest drops, those of an earlier day than `below_day`."""
    with connection.cursor(row_factory=class_row(DropLine)) as cursor:
        parameters = {"below_day": below_day, "limit": limit}
        return cursor.execute(QUERIES["select_newest_drops"], parameters).fetchall()


def deliveries(connection: psycopg.Connection, as_of: datetime) -> list[Delivery]:
    """Read every file that was delivered for a drop, the newest first."""
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(QUERIES["select_deliveries"], [as_of]).fetchall()


def drop_revisions(connection: psycopg.Connection, as_of: datetime) -> list[DropRevision]:
    """Read every revision of a drop, by table, the newest first."""
    with connection.cursor(row_factory=class_row(DropRevision)) as cursor:
        return cursor.execute(QUERIES["select_drop_revisions"], [as_of]).fetchall()


def first_rejects(
    connection: psycopg.Connection,
    as_of: datetime,
    *,
    limit: int,
) -> list[RejectedLine]:
    """Read the first rejected rows of a drop, by table and line."""
    with connection.cursor(row_factory=class_row(RejectedLine)) as cursor:
        parameters = {"as_of": as_of, "limit": limit}
        return cursor.execute(QUERIES["select_rejects"], parameters).fetchall()


def refused_folders(
    connection: psycopg.Connection,
    *,
    as_of: datetime | None = None,
    limit: int,
) -> list[RefusedFolder]:
    """Read the refused folders of the inbox, the newest first: of one drop, or of all."""
    with connection.cursor(row_factory=class_row(RefusedFolder)) as cursor:
        parameters = {"as_of": as_of, "limit": limit}
        return cursor.execute(QUERIES["select_refused_folders"], parameters).fetchall()
