"""Derived columns: SQL expressions of the catalog.

They are computed once, when a snapshot freezes. An expression sees the columns of its table's file,
`as_of` (a date) and `lag(column)`: the value of the same key in the newest drop before this one, or
null where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from streamflow.catalog import Aggregate, Column, Events
from streamflow.column_types import COLUMN_TYPES
from streamflow.expression import expression_text, find_lags, name_lag
from streamflow.warehouse.aggregates import EventDrop, aggregates_sql

# How many broken values of a column are shown.
MAX_SHOWN_VALUES = 20
# The first and the last value that a file can have: a year has four digits. PostgreSQL can compute
# later ones, and infinity.
YEARS_OF_FILES = {
    "date": ("0001-01-01", "9999-12-31"),
    "timestamp": ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
}


@dataclass(frozen=True, kw_only=True)
class DropToFreeze:
    """What is frozen of one table.

    as_of              the drop itself
    previous_revision  as_of and number of the newest revision of the drop before it, for `lag`
    population         the table whose keys without a row in this table get a row of nulls;
                       None: every row comes from the file
    events             how the events are declared that the table is made of; None: it is made of
                       no events
    """

    as_of: datetime
    previous_revision: tuple[datetime, int] | None
    population: str | None = None
    events: Events | None = None


def expression_sql(column: Column) -> sql.SQL:
    """Return the SQL of a derived column. The catalog has checked that it is one expression."""
    assert column.expr is not None
    return sql.SQL(expression_text(column.expr))


def rows_to_freeze_sql(
    table: str,
    columns: Mapping[str, Column],
    key: str,
    drop: DropToFreeze,
) -> sql.Composed:
    """Return the query for the rows of one table of a drop as they are frozen.

    Its columns are `columns`, by name and type, in their order.
    """
    if drop.events is not None:
        assert drop.population is not None
        events = EventDrop(table=table, key=key, as_of=drop.as_of, events=drop.events)
        return aggregates_sql(events, columns, drop.population)
    lags = _find_lags(columns)
    fields: list[sql.Composable] = [sql.Identifier(key)]
    for name, column in columns.items():
        if column.expr is None and name != key:
            field = sql.SQL("r.{}").format(sql.Identifier(name))
            fields.append(field)
    for name in lags:
        lag_column = sql.Identifier(name_lag(name))
        lag_field = sql.SQL("p.{} AS {}").format(sql.Identifier(name), lag_column)
        fields.append(lag_field)
    day = sql.Literal(f"{drop.as_of:%Y-%m-%d}")
    fields.append(sql.SQL("{}::date AS as_of").format(day))
    comma = sql.SQL(", ")
    return sql.SQL("SELECT {outer} FROM (SELECT {inner} FROM {rows}{join}) AS row").format(
        outer=comma.join(_select_column(name, column) for name, column in columns.items()),
        inner=comma.join(fields),
        rows=_select_delivered(table, key, drop),
        join=_join_previous(table, key, drop) if lags else sql.SQL(""),
    )


def _find_lags(columns: Mapping[str, Column]) -> list[str]:
    """Return the columns that expressions read from the drop before, by name."""
    lags: set[str] = set()
    for column in columns.values():
        if column.expr:
            lags.update(find_lags(column.expr))
    return sorted(lags)


def _join_previous(table: str, key: str, drop: DropToFreeze) -> sql.Composed:
    """Return the SQL that joins the rows `p` of the drop before, by key."""
    as_of, revision = drop.previous_revision or (None, None)
    previous_rows = sql.SQL("SELECT * FROM {} WHERE as_of = {} AND revision = {}").format(
        sql.Identifier("frozen", table),
        sql.Literal(as_of),
        sql.Literal(revision),
    )
    return sql.SQL(" LEFT JOIN ({}) p USING ({})").format(previous_rows, sql.Identifier(key))


def _select_delivered(table: str, key: str, drop: DropToFreeze) -> sql.Composed:
    """Return the SQL of the raw rows `r` of a drop.

    Each key of the population that has no row gets a row of nulls.
    """
    rows = sql.SQL("(SELECT * FROM {} WHERE as_of = {}) r").format(
        sql.Identifier("raw", table),
        sql.Literal(drop.as_of),
    )
    if drop.population is None:
        return rows
    return sql.SQL(
        "(SELECT {key} FROM {population} WHERE as_of = {as_of}) everybody"
        " LEFT JOIN {rows} USING ({key})"
    ).format(
        key=sql.Identifier(key),
        population=sql.Identifier("raw", drop.population),
        as_of=sql.Literal(drop.as_of),
        rows=rows,
    )


def _select_column(name: str, column: Column) -> sql.Composable:
    if column.expr is None:
        return sql.Identifier(name)
    # -0.0 becomes 0.0, as in the files.
    zero = " + 0" if column.type == "float" else ""
    return sql.SQL("(({})::{}" + zero + ") AS {}").format(
        expression_sql(column),
        sql.SQL(COLUMN_TYPES[column.type].sql),
        sql.Identifier(name),
    )


def find_violations(
    connection: psycopg.Connection,
    table: str,
    columns: Mapping[str, Column],
    key: str,
    drop: DropToFreeze,
) -> list[tuple[str, str, str]]:
    """Find the derived values that break what the catalog says about their column.

    Returns:
        (key, column, value) of the first MAX_SHOWN_VALUES values of each column, by key. If
        PostgreSQL cannot compute a column, its key is empty and its value is the reason.
    """
    rows = rows_to_freeze_sql(table, columns, key, drop)
    computed = _list_computed(columns)
    violations: list[tuple[str, str, str]] = []
    if _are_allowed(connection, rows, computed):
        return violations
    for name, column in computed.items():
        fragments = {"name": sql.Identifier(name), "rows": rows}
        # This computes the column of every row.
        compute = sql.SQL("SELECT count({name}) FROM ({rows}) AS frozen").format(**fragments)
        select_violations = sql.SQL(
            "SELECT {key}::text, {name}::text FROM ({rows}) AS frozen"
            " WHERE {violation} ORDER BY 1 LIMIT {limit}"
        ).format(
            key=sql.Identifier(key),
            violation=_describe_violation(name, column),
            limit=sql.Literal(MAX_SHOWN_VALUES),
            **fragments,
        )
        try:
            with connection.transaction():
                connection.execute(compute)
                for row_key, value in connection.execute(select_violations):
                    violations.append((row_key, name, "null" if value is None else value))
        except psycopg.DataError as exc:
            violations.append(("", name, str(exc.diag.message_primary)))
    return violations


def _list_computed(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return the columns that PostgreSQL computes, by name."""
    return {
        name: column
        for name, column in columns.items()
        if column.expr is not None or isinstance(column, Aggregate)
    }


def _are_allowed(
    connection: psycopg.Connection,
    rows: sql.Composed,
    computed: Mapping[str, Column],
) -> bool:
    """Return whether PostgreSQL can compute all columns, and no value breaks what is promised."""
    if not computed:
        return True
    # This computes the columns of every row.
    counts = [sql.SQL("count({})").format(sql.Identifier(name)) for name in computed]
    conditions = [_describe_violation(name, column) for name, column in computed.items()]
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE {violation}), {counts} FROM ({rows}) AS frozen"
    ).format(
        violation=sql.SQL(" OR ").join(conditions),
        counts=sql.SQL(", ").join(counts),
        rows=rows,
    )
    try:
        with connection.transaction():
            row = connection.execute(query).fetchone()
    except psycopg.DataError:
        return False
    assert row is not None
    return bool(row[0] == 0)


def _describe_violation(name: str, column: Column) -> sql.Composable:
    """Return the SQL condition that is true for a value that the catalog does not allow."""
    value = sql.Identifier(name)
    conditions: list[sql.Composable] = [sql.SQL("false")]
    if not column.nullable:
        conditions.append(sql.SQL("{} IS NULL").format(value))
    if column.type == "float":
        conditions.append(sql.SQL("{} IN ('NaN', 'Infinity', '-Infinity')").format(value))
    if column.type in YEARS_OF_FILES:
        first, last = map(sql.Literal, YEARS_OF_FILES[column.type])
        conditions.append(sql.SQL("{} NOT BETWEEN {} AND {}").format(value, first, last))
    if column.min is not None:
        smallest = sql.Literal(column.min)
        conditions.append(sql.SQL("{} < {}").format(value, smallest))
    if column.max is not None:
        largest = sql.Literal(column.max)
        conditions.append(sql.SQL("{} > {}").format(value, largest))
    if column.categories is not None:
        categories = sql.Literal(list(column.categories))
        conditions.append(sql.SQL("{} <> ALL({})").format(value, categories))
    if column.max_length is not None:
        most_characters = sql.Literal(column.max_length)
        conditions.append(sql.SQL("char_length({}) > {}").format(value, most_characters))
    return sql.SQL(" OR ").join(conditions)
