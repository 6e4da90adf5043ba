"""The frozen revisions, page by page: what each changed, and which versions were made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "revision_pages.sql")
MAX_VERSIONS = 5  # of one revision; a page of it names the rest


@dataclass(frozen=True, kw_only=True)
class RevisionLine:
    """One revision of a table of a drop.

    former_rows      the rows of the revision before; None: this is the first one
    changed_columns  the columns that differ from the revision before
    versions         the newest versions whose passports name this revision
    """

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    rows: int
    digest: str
    former_rows: int | None
    changed_columns: Sequence[str]
    versions: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class RevisionPosition:
    """A place in the list of revisions: the list goes on after this revision."""

    as_of: datetime
    table: str
    revision: int


def newest_revisions(
    connection: psycopg.Connection,
    model: str,
    *,
    position: RevisionPosition | None,
    limit: int,
) -> list[RevisionLine]:
    """Read the revisions after a place in the list, those of the newest drop first."""
    start = {"as_of": None, "table": None, "revision": None}
    if position is not None:
        start = {**vars(position)}
    parameters = {**start, "model": model, "limit": limit, "versions": MAX_VERSIONS}
    with connection.cursor(row_factory=class_row(RevisionLine)) as cursor:
        return cursor.execute(QUERIES["select_revisions"], parameters).fetchall()
