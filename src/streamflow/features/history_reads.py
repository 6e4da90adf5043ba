# ruff: noqa: S608
# In the SQL identifiers are quoted, relations come from the sources, and values are parameters.
"""Read the features of the rows of an entity frame, and join one view after another to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa

from streamflow.database import Address, adbc
from streamflow.database.known_at import current_known_at_by_adbc
from streamflow.errors import FeastUnsupported
from streamflow.features.entity_frame import EntityRequest, entity_table, make_request
from streamflow.features.entity_keys import cast_keys
from streamflow.features.history_rows import RequestedView, read_history
from streamflow.features.history_source import (
    HistorySource,
    RunQuery,
    quote_identifier,
    read_source,
)
from streamflow.features.point_in_time_join import point_in_time_join
from streamflow.features.unloaded_rows import refuse_unloaded, refuse_unloaded_for

Period = tuple[datetime, datetime]  # first and last instant, both included


def historical_features(
    address: Address,
    entities: Any | Period,
    views: Sequence[RequestedView],
    *,
    created_before_instant: bool = False,
) -> pa.Table:
    """Return the entity frame with the features that were valid at each row's instant.

    Each row gets the values as they were known at its known_at. The rows keep their order.

    Args:
        address: the database.
        entities: a pandas frame or a SQL query. A period instead of them means every key and
            instant of the views within it.
        views: the views to join.
        created_before_instant: whether a value counts only if it was known at the row's instant.
    """
    with adbc.open_cursor(address) as cursor:

        def run_query(statement: str, parameters: Sequence[object] = ()) -> pa.Table:
            cursor.execute(statement, list(parameters) or None)
            return cursor.fetch_arrow_table()

        sources = [
            read_source(run_query, view.relation, view.timestamp_field, view.created_column)
            for view in views
        ]
        if isinstance(entities, tuple):
            entities = _compose_entity_query(run_query, views, sources, entities)
        table, time_column = entity_table(entities, run_query)
        request = make_request(
            table,
            time_column,
            partial(current_known_at_by_adbc, cursor),
            created_before_instant=created_before_instant,
        )
        answer = table
        # One view after another, so that only one history is in memory.
        for view, source in zip(views, sources, strict=True):
            answer = _append_columns(answer, _join_view(run_query, view, source, table, request))
        return answer


def _compose_entity_query(
    run_query: RunQuery,
    views: Sequence[RequestedView],
    sources: Sequence[HistorySource],
    period: Period,
) -> str:
    """Compose the entity frame of a request without one: every key and as_of in the period."""
    if len({frozenset(view.keys) for view in views}) > 1:
        raise FeastUnsupported(
            "features of views with different keys need an entity frame",
            remedy="Pass entity_df, or request each view on its own.",
        )
    for source in sources:
        refuse_unloaded(run_query, source, first=period[0], last=period[1])
    first, last = (instant.isoformat() for instant in period)
    queries = []
    for view, source in zip(views, sources, strict=True):
        columns = [
            f"{source.value(column)} AS {quote_identifier(key)}"
            for key, column in sorted(view.keys.items())
        ]
        conditions = [f"{source.as_of} BETWEEN '{first}' AND '{last}'"]
        if source.known_until:
            conditions.append(f"{source.known_until} IS NULL")
        queries.append(
            f"SELECT {', '.join([*columns, f'{source.as_of} AS event_timestamp'])}"
            f" FROM {source.rows(list(view.keys.values()))} WHERE {' AND '.join(conditions)}"
        )
    return " UNION ".join(queries)


def _append_columns(answer: pa.Table, columns: pa.Table) -> pa.Table:
    """Return a table with more columns. No name may be there twice."""
    duplicates = set(columns.column_names) & set(answer.column_names)
    if duplicates:
        raise ValueError(
            f"there are two columns '{min(duplicates)}': rename the one in the entity frame, "
            "or ask for full feature names"
        )
    for name in columns.column_names:
        answer = answer.append_column(name, columns[name])
    return answer


def _join_view(
    run_query: RunQuery,
    view: RequestedView,
    source: HistorySource,
    entities: pa.Table,
    request: EntityRequest,
) -> pa.Table:
    """Return the features of one view for each row of the entity frame."""
    missing = [key for key in view.keys if key not in entities.column_names]
    if missing:
        raise ValueError(f"the entity frame has no column {', '.join(map(repr, missing))}")
    key_types = {key: source.polars_type(column) for key, column in view.keys.items()}
    keys = cast_keys(view.name, pl.DataFrame(entities.select(list(view.keys))), key_types)
    history = read_history(run_query, view, source, keys, request)
    # A command of ours may have deleted loaded rows since they were looked for.
    refuse_unloaded_for(run_query, source, request, view.ttl)
    joined = point_in_time_join(
        request.rows.with_columns(keys.get_columns()),
        pl.DataFrame(history),
        keys=list(view.keys),
        ttl=view.ttl,
    )
    # polars has large strings and lists; the answer has the types that PostgreSQL's driver gives.
    columns = {
        name: joined[name].to_arrow().cast(history.schema.field(name).type)
        for name in joined.columns
    }
    return pa.table(columns)
