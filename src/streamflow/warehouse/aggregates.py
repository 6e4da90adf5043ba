"""The aggregates of events, as SQL: one row per key of the entity, computed when a drop is frozen.

Only events at or before the as_of of the drop are read. Everything that depends on the order of
events has one order: sums and means add in the order of the rows in the file, and `last` takes the
newest event, of equal times the one that stands last in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from psycopg import sql

from streamflow.catalog import ROW_NUMBER, Aggregate, Column, Events
from streamflow.column_types import COLUMN_TYPES
from streamflow.expression import expression_text

# Functions whose result without any event is 0. That of the others is null.
ZERO_WITHOUT_EVENTS = frozenset({"count", "sum"})

FUNCTION_SQL = {
    "count": sql.SQL("count(*) FILTER (WHERE CASE WHEN {window} THEN {value} END)"),
    "sum": sql.SQL("sum({value}::{type} ORDER BY {row}) FILTER (WHERE {window})"),
    "mean": sql.SQL(
        "sum({value}::{type} ORDER BY {row}) FILTER (WHERE {window})"
        " / nullif(count({value}) FILTER (WHERE {window}), 0)::{type}"
    ),
    "last": sql.SQL(
        "(array_agg({value} ORDER BY {time} DESC, {row} DESC) FILTER (WHERE {window}))[1]"
    ),
    "days_since": sql.SQL("max({time}) FILTER (WHERE CASE WHEN {window} THEN {value} END)"),
}
# Full days from the time that `days_since` found to the as_of of the drop, by the type of the time.
FULL_DAYS_SQL = {
    "date": sql.SQL("{as_of} - {newest}"),
    "timestamp": sql.SQL("floor(extract(epoch FROM {as_of} - {newest}) / 86400)"),
}


def aggregates_sql(
    table: str,
    columns: Mapping[str, Column],
    key: str,
    as_of: datetime,
    events: Events,
    population: str,
) -> sql.Composed:
    """Return the query for the aggregates of one drop.

    Its columns are `columns`, by name and type, in their order.

    Args:
        table: the table of the events.
        columns: the key, and aggregates.
        key: the name of the key.
        as_of: the drop.
        events: how the events are declared.
        population: the table of the keys that get a row, with or without events.
    """
    results: list[sql.Composable] = [sql.Identifier(key)]
    aggregates: list[sql.Composable] = [sql.Identifier(key)]
    for name, column in columns.items():
        if isinstance(column, Aggregate):
            results.append(_select_result(name, column, as_of, events))
            aggregates.append(_aggregate_sql(name, column, as_of, events))
    return sql.SQL(
        "SELECT {results} FROM (SELECT {key} FROM {population} WHERE as_of = {drop}) AS everybody"
        " LEFT JOIN (SELECT {aggregates} FROM ({events}) AS event GROUP BY {key}) AS aggregated"
        " USING ({key})"
    ).format(
        results=sql.SQL(", ").join(results),
        key=sql.Identifier(key),
        population=sql.Identifier("raw", population),
        drop=sql.Literal(as_of),
        aggregates=sql.SQL(", ").join(aggregates),
        events=events_sql(table, key, as_of, events),
    )


def events_sql(table: str, key: str, as_of: datetime, events: Events) -> sql.Composed:
    """Return the query for the events of a drop, without those after its as_of.

    Its columns are those of the file, ROW_NUMBER, and `as_of` as a date.
    """
    names = [key, ROW_NUMBER, *events.columns]
    return sql.SQL(
        "SELECT {names}, {day}::date AS as_of FROM {raw} WHERE as_of = {drop} AND {time} <= {end}"
    ).format(
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        day=sql.Literal(f"{as_of:%Y-%m-%d}"),
        raw=sql.Identifier("raw", table),
        drop=sql.Literal(as_of),
        time=sql.Identifier(events.time),
        end=_time_literal(events, as_of),
    )


def value_sql(column: Aggregate) -> sql.Composed:
    """Return the SQL of the expression that is computed for each event."""
    # The catalog has checked that it is one expression.
    return sql.SQL("({})").format(sql.SQL(expression_text(column.expression)))


def _aggregate_sql(name: str, column: Aggregate, as_of: datetime, events: Events) -> sql.Composed:
    """Return the SQL of an aggregate over the events of one key."""
    time = sql.Identifier(events.time)
    window: sql.Composable = sql.SQL("true")
    if column.days is not None:
        begin = _time_literal(events, as_of - timedelta(days=column.days))
        window = sql.SQL("{} > {}").format(time, begin)
    computation = FUNCTION_SQL[column.function].format(
        value=value_sql(column),
        window=window,
        time=time,
        row=sql.Identifier(ROW_NUMBER),
        type=sql.SQL(COLUMN_TYPES[column.type].sql),
    )
    return sql.SQL("{} AS {}").format(computation, sql.Identifier(name))


def _select_result(name: str, column: Aggregate, as_of: datetime, events: Events) -> sql.Composed:
    """Return the SQL of the frozen value of an aggregate, for a key with or without events."""
    value: sql.Composable = sql.Identifier("aggregated", name)
    if column.function in ZERO_WITHOUT_EVENTS:
        value = sql.SQL("coalesce({}, 0)").format(value)
    if column.function == "days_since":
        full_days = FULL_DAYS_SQL[events.columns[events.time].type]
        value = full_days.format(as_of=_time_literal(events, as_of), newest=value)
    # -0.0 becomes 0.0, as in the files.
    zero = sql.SQL(" + 0" if column.type == "float" else "")
    return sql.SQL("(({})::{}{}) AS {}").format(
        value, sql.SQL(COLUMN_TYPES[column.type].sql), zero, sql.Identifier(name)
    )


def _time_literal(events: Events, instant: datetime) -> sql.Composed:
    """Return an instant as a value of the type that the time of the events has."""
    if events.columns[events.time].type == "date":
        return sql.SQL("{}::date").format(sql.Literal(f"{instant:%Y-%m-%d}"))
    return sql.SQL("{}").format(sql.Literal(instant))
