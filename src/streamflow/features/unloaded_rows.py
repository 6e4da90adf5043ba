"""Refuse to read a history of which some rows lie in the lake only.

Our commands load these rows before they call Feast. A foreign command of Feast does not: without
this check it would get an answer without them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg import sql

from streamflow.core.data.counts import count_of
from streamflow.database.sql_files import load_queries
from streamflow.errors import FeastUnsupported
from streamflow.features.entity_frame import EntityRequest
from streamflow.features.history_source import HistorySource, RunQuery
from streamflow.features.point_in_time_join import INSTANT, ROW_KNOWN_AT

QUERIES = load_queries(__file__, "unloaded_rows.sql")
HISTORY = "history."
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)


def refuse_unloaded(
    run_query: RunQuery,
    source: HistorySource,
    *,
    first: datetime = BEGINNING,
    last: datetime = END,
    known_at: tuple[datetime, datetime] = (END, END),
) -> None:
    """Raise FeastUnsupported when rows that a request may need lie in the lake only.

    Args:
        run_query: runs a query of PostgreSQL.
        source: what is read; nothing is checked unless it is one of our histories.
        first: the first instant of the rows.
        last: the last instant of the rows.
        known_at: the earliest and the latest instant as known at which rows are asked for.
    """
    if not (source.has_revisions and source.relation.startswith(HISTORY)):
        return
    table = source.relation.removeprefix(HISTORY).strip('"')
    earliest, latest = known_at
    query = QUERIES["select_unloaded"].format(relation=sql.Identifier("frozen", table)).as_string()
    rows = run_query(query, [table, first, last, latest, earliest])
    count = rows.num_rows
    if count:
        raise FeastUnsupported(
            f"the rows of {count_of(count, 'revision')} of {source.relation} lie in the lake, and"
            " Feast reads PostgreSQL alone",
            remedy="Use 'streamflow training-set', which loads them, or read the lake itself: see "
            "docs/how-to/lake.md.",
        )


def refuse_unloaded_for(
    run_query: RunQuery,
    source: HistorySource,
    request: EntityRequest,
    ttl: timedelta | None,
) -> None:
    """Raise FeastUnsupported when rows that a request may see lie in the lake only.

    `ttl` is the largest age of a row; None: any age.
    """
    if request.rows.is_empty():
        return
    earliest, latest = request.rows[ROW_KNOWN_AT].min(), request.rows[ROW_KNOWN_AT].max()
    first, last = request.rows[INSTANT].min(), request.rows[INSTANT].max()
    assert isinstance(earliest, datetime)
    assert isinstance(latest, datetime)
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    known_at = (earliest, latest)
    oldest = first - ttl if ttl and first - BEGINNING > ttl else BEGINNING
    refuse_unloaded(run_query, source, first=oldest, last=last, known_at=known_at)
