"""The aggregates of events, as SQL: one row per key of the entity, computed when a drop is frozen.

Only events at or before the as_of of the drop are read. Everything that depends on the order of
events has one order: sums and means add in the order of the rows in the file, and `last` takes the
newest event, of equal times the one that stands last in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from streamflow.catalog import ROW_NUMBER, Aggregate, Column, Events
from streamflow.catalog.aggregate import CONDITION_FUNCTIONS
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.event_aggregates import EVENT_ROW, EVENT_TIME
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


@dataclass(frozen=True, kw_only=True)
class EventDrop:
    """The events of one drop.

    table   the table of the events
    key     the name of the entity's key
    events  how the events are declared
    """

    table: str
    key: str
    as_of: datetime
    events: Events

    @property
    def time(self) -> sql.Identifier:
        """Return the column that says when an event happened."""
        return sql.Identifier(self.events.time)

    @property
    def time_type(self) -> str:
        """Return the type of this column: timestamp or date."""
        return self.events.columns[self.events.time].type

    @property
    def end(self) -> sql.Composed:
        """Return the newest time of an event that counts."""
        return self._time_literal(self.as_of)

    def begin(self, days: int) -> sql.Composed:
        """Return the time after which the last `days` days begin."""
        return self._time_literal(self.as_of - timedelta(days=days))

    def _time_literal(self, instant: datetime) -> sql.Composed:
        """Return an instant as a value of the type that the time of the events has."""
        if self.time_type == "date":
            return sql.SQL("{}::date").format(sql.Literal(f"{instant:%Y-%m-%d}"))
        return sql.SQL("{}").format(sql.Literal(instant))


def aggregates_sql(drop: EventDrop, columns: Mapping[str, Column], population: str) -> sql.Composed:
    """Return the query for the aggregates of one drop.

    Its columns are `columns`, by name and type, in their order.

    Args:
        drop: the events.
        columns: the key, and aggregates.
        population: the table of the keys that get a row, with or without events.
    """
    results: list[sql.Composable] = [sql.Identifier(drop.key)]
    aggregates: list[sql.Composable] = [sql.Identifier(drop.key)]
    for name, column in columns.items():
        if isinstance(column, Aggregate):
            results.append(_result_sql(drop, name, column))
            aggregates.append(_aggregate_sql(drop, name, column))
    return sql.SQL(
        "SELECT {results} FROM (SELECT {aggregates} FROM ({rows}) AS event"
        " GROUP BY {key} HAVING bool_or({row} IS NULL)) AS aggregated"
    ).format(
        results=sql.SQL(", ").join(results),
        aggregates=sql.SQL(", ").join(aggregates),
        rows=_rows_of_keys_sql(drop, population),
        key=sql.Identifier(drop.key),
        row=sql.Identifier(ROW_NUMBER),
    )


def _rows_of_keys_sql(drop: EventDrop, population: str) -> sql.Composed:
    """Return the query for the events that count, and one row of nulls for each key.

    The row of a key has no ROW_NUMBER. A join of keys and events would be slow: right after a drop
    was loaded, PostgreSQL has no statistics of its rows, and compares each key with each event.
    """
    types = ["int", *(column.type for column in drop.events.columns.values())]
    nulls = [sql.SQL("NULL::{}").format(sql.SQL(COLUMN_TYPES[name].sql)) for name in types]
    return sql.SQL(
        "SELECT * FROM ({events}) AS stored WHERE {time} <= {end}"
        " UNION ALL SELECT {key}, {nulls}, NULL::date FROM {population} WHERE as_of = {as_of}"
    ).format(
        key=sql.Identifier(drop.key),
        nulls=sql.SQL(", ").join(nulls),
        population=sql.Identifier("raw", population),
        as_of=sql.Literal(drop.as_of),
        events=_events_sql(drop),
        time=drop.time,
        end=drop.end,
    )


def event_values_sql(drop: EventDrop) -> sql.Composed:
    """Return the query for all events of a drop, by key and row, also those after its as_of.

    Its columns are the key, EVENT_TIME as an instant, EVENT_ROW, and the value of the expression of
    each aggregate, by the name of the aggregate. The value is null for an event that does not
    count: there the expression may have none.
    """
    instant = sql.SQL("{}" if drop.time_type == "timestamp" else "{}::timestamp AT TIME ZONE 'UTC'")
    fields: list[sql.Composable] = [
        sql.Identifier(drop.key),
        sql.SQL("{} AS {}").format(instant.format(drop.time), sql.Identifier(EVENT_TIME)),
        sql.SQL("{} AS {}").format(sql.Identifier(ROW_NUMBER), sql.Identifier(EVENT_ROW)),
    ]
    for name, column in drop.events.aggregates.items():
        is_condition = column.function in CONDITION_FUNCTIONS
        value_type = "boolean" if is_condition else COLUMN_TYPES[column.type].sql
        fields.append(
            sql.SQL(
                "CASE WHEN {time} <= {end} AND {window} THEN {value}::{type} END AS {name}"
            ).format(
                time=drop.time,
                end=drop.end,
                window=_window_sql(drop, column),
                value=_value_sql(column),
                type=sql.SQL(value_type),
                name=sql.Identifier(name),
            )
        )
    return sql.SQL("SELECT {fields} FROM ({events}) AS event ORDER BY {key}, {row}").format(
        fields=sql.SQL(", ").join(fields),
        events=_events_sql(drop),
        key=sql.Identifier(drop.key),
        row=sql.Identifier(ROW_NUMBER),
    )


def _events_sql(drop: EventDrop) -> sql.Composed:
    """Return the query for all events of a drop.

    Its columns are those of the file, ROW_NUMBER, and `as_of` as a date.
    """
    names = [drop.key, ROW_NUMBER, *drop.events.columns]
    return sql.SQL("SELECT {names}, {day}::date AS as_of FROM {raw} WHERE as_of = {as_of}").format(
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        day=sql.Literal(f"{drop.as_of:%Y-%m-%d}"),
        raw=sql.Identifier("raw", drop.table),
        as_of=sql.Literal(drop.as_of),
    )


def _aggregate_sql(drop: EventDrop, name: str, column: Aggregate) -> sql.Composed:
    """Return the SQL of an aggregate over the events of one key."""
    computation = FUNCTION_SQL[column.function].format(
        value=_value_sql(column),
        window=sql.SQL("({row} IS NOT NULL AND {window})").format(
            row=sql.Identifier(ROW_NUMBER), window=_window_sql(drop, column)
        ),
        time=drop.time,
        row=sql.Identifier(ROW_NUMBER),
        type=sql.SQL(COLUMN_TYPES[column.type].sql),
    )
    return sql.SQL("{} AS {}").format(computation, sql.Identifier(name))


def _value_sql(column: Aggregate) -> sql.Composed:
    """Return the SQL of the expression that is computed for each event."""
    # The catalog has checked that it is one expression.
    return sql.SQL("({})").format(sql.SQL(expression_text(column.expression)))


def _window_sql(drop: EventDrop, column: Aggregate) -> sql.Composable:
    """Return the SQL condition that an event is in the window of an aggregate."""
    if column.days is None:
        return sql.SQL("true")
    return sql.SQL("{} > {}").format(drop.time, drop.begin(column.days))


def _result_sql(drop: EventDrop, name: str, column: Aggregate) -> sql.Composed:
    """Return the SQL of the frozen value of an aggregate, for a key with or without events."""
    value: sql.Composable = sql.Identifier("aggregated", name)
    if column.function in ZERO_WITHOUT_EVENTS:
        value = sql.SQL("coalesce({}, 0)").format(value)
    if column.function == "days_since":
        value = FULL_DAYS_SQL[drop.time_type].format(as_of=drop.end, newest=value)
    # -0.0 becomes 0.0, as in the files.
    zero = sql.SQL(" + 0" if column.type == "float" else "")
    return sql.SQL("(({})::{}{}) AS {}").format(
        value, sql.SQL(COLUMN_TYPES[column.type].sql), zero, sql.Identifier(name)
    )
