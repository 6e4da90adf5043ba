"""What `skew` reads of the prediction log and of the revisions, and where its numbers are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from streamflow.core.monitoring.skew import Known

# In the order of a hash: the same seed takes the same answers, however many there are
SAMPLE = """
SELECT at, request_id, key, version, probability, features, service, views, coalesce(defaulted, '[]') AS defaulted, code
FROM streamflow.prediction_log WHERE model = %(model)s AND at >= coalesce(%(since)s::timestamptz, '-infinity')
ORDER BY md5(%(seed)s::text || ':' || id) LIMIT %(rows)s
"""

# The pruned ones too: what was known in their time is not answered from an older one
REVISIONS = """
SELECT table_name, as_of, revision, known_at, false FROM streamflow.revision
UNION ALL SELECT table_name, as_of, revision, known_at, true FROM streamflow.pruned p
WHERE NOT EXISTS (SELECT FROM streamflow.revision r
                  WHERE (r.table_name, r.as_of, r.revision) = (p.table_name, p.as_of, p.revision))
"""


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """A line of the prediction log. An older streamflow left out service, views and code.

    views   view -> [as_of, known_at] of the live row, as ISO text; None: the view had none
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
        """View -> as_of and known_at of the live row."""
        return {
            view: None if row is None else _instants(*row)
            for view, row in (self.views or {}).items()
        }


def _instants(as_of: str | None, known_at: str | None) -> tuple[datetime, datetime | None]:
    assert as_of is not None
    return datetime.fromisoformat(as_of), None if known_at is None else datetime.fromisoformat(
        known_at
    )


def sampled(
    connection: psycopg.Connection, *, model: str, rows: int, since: datetime | None, seed: int
) -> list[LoggedAnswer]:
    """Some answers of a model, at random by `seed`."""
    with connection.cursor(row_factory=class_row(LoggedAnswer)) as cursor:
        return cursor.execute(
            SAMPLE, {"model": model, "rows": rows, "since": since, "seed": seed}
        ).fetchall()


def known_revisions(connection: psycopg.Connection) -> list[Known]:
    """Every revision that was ever known here."""
    return [Known(*row) for row in connection.execute(REVISIONS)]


def store(connection: psycopg.Connection, numbers: Mapping[str, object]) -> None:
    """Append what a run found, for dashboards."""
    statement = sql.SQL("INSERT INTO streamflow.skew_report ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, numbers)),
        sql.SQL(", ").join(map(sql.Placeholder, numbers)),
    )
    connection.execute(statement, numbers)
