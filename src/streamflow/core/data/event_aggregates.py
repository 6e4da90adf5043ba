"""The aggregates of events, computed by polars and Python: the second engine beside PostgreSQL.

It decides by itself which events count, in which order, and what the aggregate of no event is. Only
the value of an expression for a single event comes from PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from streamflow.catalog import Aggregate
from streamflow.catalog.aggregate import CONDITION_FUNCTIONS
from streamflow.core.data.contract import polars_type

# The columns of the events. No column of a catalog can have these names: they have a space.
EVENT_TIME = "event time"
EVENT_ROW = "event row"


def aggregate_events(
    values: pl.DataFrame,
    keys: pl.Series,
    as_of: datetime,
    aggregates: Mapping[str, Aggregate],
) -> pl.DataFrame:
    """Compute the aggregates of each key.

    Args:
        values: (n, ·) the key, EVENT_TIME (an instant), EVENT_ROW, and for each aggregate the value
            of its expression, by the name of the aggregate. The rows of a key are in the order of
            EVENT_ROW.
        keys: (m,) each key that gets a row, with or without events; its name is that of the key.
        as_of: the instant of the drop; later events are not used.
        aggregates: name -> aggregate.

    Returns:
        (m, ·) the key and the aggregates, by key as in `keys`.

    >>> as_of = datetime.fromisoformat("2024-01-31T00:00:00+00:00")
    >>> times = [as_of - timedelta(days=30), as_of, as_of + timedelta(seconds=1)]
    >>> values = pl.DataFrame(
    ...     {"id": ["a"] * 3, EVENT_TIME: times, EVENT_ROW: [0, 1, 2], "paid": [5.0, 2.5, 9.0]}
    ... )
    >>> paid = Aggregate(sum="amount", days=30)
    >>> aggregate_events(values, pl.Series("id", ["a", "b"]), as_of, {"paid": paid}).rows()
    [('a', 2.5), ('b', 0.0)]
    """
    known_events = values.filter(pl.col(EVENT_TIME) <= as_of)
    columns = [keys]
    for name, aggregate in aggregates.items():
        value = pl.col(name).alias("value")
        events = known_events.select(keys.name, EVENT_TIME, EVENT_ROW, value)
        recent_events = _select_recent(events, aggregate, as_of)
        compute = FUNCTIONS[aggregate.function]
        results = compute(recent_events, keys.name, as_of)
        empty = 0 if aggregate.function in ("count", "sum") else None
        cells = [results.get(key, empty) for key in keys]
        dtype = polars_type(aggregate.type)
        columns.append(pl.Series(name, cells, dtype, strict=False))
    return pl.DataFrame(columns)


def _select_recent(events: pl.DataFrame, aggregate: Aggregate, as_of: datetime) -> pl.DataFrame:
    """Return the events within the days of an aggregate, or all of them if it has no limit."""
    if aggregate.days is None:
        return events
    begin = as_of - timedelta(days=aggregate.days)
    return events.filter(pl.col(EVENT_TIME) > begin)


def no_events(keys: pl.Series, aggregates: Mapping[str, Aggregate]) -> pl.DataFrame:
    """Return a frame without events, with the columns that `aggregate_events` reads."""
    schema = {
        keys.name: keys.dtype,
        EVENT_TIME: polars_type("timestamp"),
        EVENT_ROW: pl.Int64,
    }
    for name, aggregate in aggregates.items():
        is_condition = aggregate.function in CONDITION_FUNCTIONS
        value_type = "bool" if is_condition else aggregate.type
        schema[name] = polars_type(value_type)
    return pl.DataFrame(schema=schema)


def _count(events: pl.DataFrame, key: str, _: datetime) -> dict[Any, Any]:
    """Return key -> how many events fulfil the condition."""
    counted = events.filter(pl.col("value"))
    return _count_rows(counted, key)


def _count_rows(events: pl.DataFrame, key: str) -> dict[Any, Any]:
    """Return key -> its number of rows."""
    counts = events.group_by(key).len()
    return dict(counts.iter_rows())


def _add(events: pl.DataFrame, key: str, _: datetime) -> dict[Any, Any]:
    """Return key -> the sum of the values, added one by one in the order of the rows."""
    sums: dict[Any, Any] = defaultdict(int)
    filled = events.drop_nulls("value")
    for event_key, value in filled.select(key, "value").iter_rows():
        sums[event_key] += value
    return sums


def _average(events: pl.DataFrame, key: str, as_of: datetime) -> dict[Any, Any]:
    """Return key -> the mean of the values."""
    filled = events.drop_nulls("value")
    counts = _count_rows(filled, key)
    means = {}
    for event_key, total in _add(filled, key, as_of).items():
        means[event_key] = total / counts[event_key]
    return means


def _take_last(events: pl.DataFrame, key: str, _: datetime) -> dict[Any, Any]:
    """Return key -> the value of the newest event; of equal times that of the last row."""
    ordered = events.sort(EVENT_TIME, EVENT_ROW)
    newest = ordered.unique(key, keep="last", maintain_order=True)
    return dict(newest.select(key, "value").iter_rows())


def _count_days(events: pl.DataFrame, key: str, as_of: datetime) -> dict[Any, Any]:
    """Return key -> the full days since the newest event that fulfils the condition."""
    fulfilled = events.filter(pl.col("value"))
    newest = fulfilled.group_by(key).agg(pl.col(EVENT_TIME).max())
    days = {}
    for event_key, time in newest.iter_rows():
        age = as_of - time
        days[event_key] = age.days
    return days


FUNCTIONS = {
    "count": _count,
    "sum": _add,
    "mean": _average,
    "last": _take_last,
    "days_since": _count_days,
}
