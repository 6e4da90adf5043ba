"""What `skew` reads from the prediction log and the revisions, and where it stores its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from streamflow.core.monitoring.skew import RecordedRevision
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.sql_lists import list_identifiers, list_placeholders

QUERIES = load_queries(__file__, "skew.sql")


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """One row of the prediction log.

    Rows of an older streamflow have no service, views and code.

    views   view -> [as_of, known_at] of the live row, as ISO text; None: the view had no row
    """

    at: datetime
    request_id: str
    key: str
    version: int
    probability: float
    features: Mapping[str, Any]
    service: str | None
    views: Mapping[str, list[str | None] | None] | None
    defaulted: list[str]
    code: str | None

    @property
    def sources(self) -> dict[str, tuple[datetime, datetime | None] | None]:
        """Return as_of and known_at of the live row of each view; None: the view had no row."""
        return {
            view: None if row is None else _parse_instants(*row)
            for view, row in (self.views or {}).items()
        }


def _parse_instants(as_of: str | None, known_at: str | None) -> tuple[datetime, datetime | None]:
    assert as_of is not None
    known_instant = None if known_at is None else datetime.fromisoformat(known_at)
    return datetime.fromisoformat(as_of), known_instant


def sample_predictions(
    connection: psycopg.Connection,
    *,
    model: str,
    rows: int,
    since: datetime | None,
    seed: int,
) -> list[LoggedAnswer]:
    """Read a random sample of the logged predictions of a model.

    Args:
        connection: the database.
        model: the name of the model.
        rows: how many predictions at most.
        since: leave out predictions before this instant; None: take all.
        seed: the same seed gives the same sample.
    """
    parameters = {"model": model, "rows": rows, "since": since, "seed": seed}
    with connection.cursor(row_factory=class_row(LoggedAnswer)) as cursor:
        return cursor.execute(QUERIES["sample_predictions"], parameters).fetchall()


def known_revisions(connection: psycopg.Connection) -> list[RecordedRevision]:
    """Read every revision that was ever known here, pruned ones included."""
    return [RecordedRevision(*row) for row in connection.execute(QUERIES["select_known_revisions"])]


def store_report(connection: psycopg.Connection, numbers: Mapping[str, object]) -> None:
    """Append the numbers that a run found, for the dashboards."""
    statement = sql.SQL("INSERT INTO streamflow.skew_report ({}) VALUES ({})").format(
        list_identifiers(numbers),
        list_placeholders(numbers),
    )
    connection.execute(statement, numbers)


@dataclass(frozen=True, kw_only=True)
class SkewCounts:
    """What one run of `skew` counted: the checked answers, and the values that differ by cause.

    sampled               the answers that were looked at
    not_comparable        of these, the answers whose values cannot be computed again
    compared              the values that were compared
    probabilities_differ  of the probabilities that were computed again
    """

    id: int
    at: datetime
    since: datetime | None
    sampled: int
    not_comparable: int
    compared: int
    stale: int
    late: int
    type: int
    code: int
    unexplained: int
    probabilities: int
    probabilities_differ: int


def newest_counts(connection: psycopg.Connection, limit: int) -> list[SkewCounts]:
    """Read what the newest runs of `skew` counted, the newest first."""
    with connection.cursor(row_factory=class_row(SkewCounts)) as cursor:
        return cursor.execute(QUERIES["select_newest_skew"], [limit]).fetchall()
