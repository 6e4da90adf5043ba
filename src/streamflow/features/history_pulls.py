# ruff: noqa: S608
# In the SQL identifiers are quoted, relations are the sources' own, and instants are ISO texts.
"""Read the rows of one source for Feast: all of a period, or the newest of each key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import RetrievalJob

from streamflow.database import Address, arrow
from streamflow.features.history_source import (
    SUPERSEDED_AT,
    HistorySource,
    quote_identifier,
    read_source,
)
from streamflow.features.retrieval_job import StreamflowRetrievalJob
from streamflow.features.unloaded_rows import BEGINNING, END, refuse_unloaded


@dataclass(frozen=True, kw_only=True)
class Pull:
    """What Feast wants of one source.

    features   the feature columns; none means all columns of the source, as Feast defines
    start, end the first and the last instant, both included; None: no limit
    """

    relation: str
    keys: Sequence[str]
    features: Sequence[str]
    timestamp_field: str
    created_column: str | None
    start: datetime | None
    end: datetime | None


def pull(compose: Callable[[HistorySource, Pull], str], request: Pull) -> RetrievalJob:
    """Return the job that runs the query of `compose` when its rows are needed."""

    def find_source() -> HistorySource:
        run_query = partial(arrow.read, Address())
        source = read_source(
            run_query, request.relation, request.timestamp_field, request.created_column
        )
        first, last = request.start or BEGINNING, request.end or END
        refuse_unloaded(run_query, source, first=first, last=last)
        return source

    def compose_sql() -> str:
        return compose(find_source(), request)

    def read() -> pa.Table:
        rows = arrow.read(Address(), compose_sql())
        find_source()  # a command of ours may have deleted loaded rows meanwhile
        return rows

    return StreamflowRetrievalJob(read, compose_sql=compose_sql)


def compose_all(source: HistorySource, request: Pull) -> str:
    """Compose the query of every row of a period, as known at present."""
    return (
        f"SELECT {_compose_columns(source, request)} FROM {source.relation} AS history"
        f" WHERE {_compose_period(source, request)}"
    )


def compose_latest(source: HistorySource, request: Pull) -> str:
    """Compose the query of the newest row of each key in a period, as known at present."""
    keys = ", ".join(map(quote_identifier, request.keys))
    order = [f"{source.as_of} DESC"]
    if source.created_column:
        order.append(f"{quote_identifier(source.created_column)} DESC NULLS LAST")
    tail = (
        f" FROM {source.relation} AS history WHERE {_compose_period(source, request)}"
        f" ORDER BY {', '.join([keys, *order] if keys else order)}"
    )
    columns = _compose_columns(source, request)
    if not keys:
        return f"SELECT {columns}{tail} LIMIT 1"
    return f"SELECT DISTINCT ON ({keys}) {columns}{tail}"


def _compose_columns(source: HistorySource, request: Pull) -> str:
    """Compose the columns of a SELECT. A view without keys has Feast's column for such views."""
    names = [request.timestamp_field, *filter(None, [request.created_column])]
    columns = ["*"]
    if request.features:
        names = [*request.keys, *request.features, *names]
        columns = [
            f"{source.value(name)} AS {quote_identifier(name)}" for name in dict.fromkeys(names)
        ]
    if not request.keys:
        columns.append(f"'{DUMMY_ENTITY_VAL}' AS {quote_identifier(DUMMY_ENTITY_ID)}")
    return ", ".join(columns)


def _compose_period(source: HistorySource, request: Pull) -> str:
    """Compose the condition for the rows of a period that are known at present."""
    conditions = [f"{quote_identifier(SUPERSEDED_AT)} IS NULL"] if source.has_revisions else []
    for operator, bound in ((">=", request.start), ("<=", request.end)):
        if bound is not None:
            conditions.append(f"{source.as_of} {operator} '{bound.isoformat()}'::timestamptz")
    return " AND ".join(conditions) or "true"
