"""The tables that the catalog needs, compared with those that the database has.

Each table T of the catalog has `raw.T` (the newest content of each drop), `frozen.T` (every
revision, never changed) and the view `history.T` (the frozen rows, with the span of time in which
they were the newest known: Feast reads it). For events, `raw.T` holds their rows, and `frozen.T`
the aggregates of each key. The view `streamflow.drop_overview` shows how many users and how many
labels each drop has, for dashboards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from streamflow.catalog import ROW_NUMBER, Aggregate, Catalog
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.counts import count_of
from streamflow.database.sql_files import load_queries
from streamflow.errors import CatalogInvalid
from streamflow.warehouse.table_statements import (
    add_column,
    comment_on_expression,
    create_history_view,
    create_overview_view,
    create_table,
)

QUERIES = load_queries(__file__, "tables.sql")

SCHEMAS = ("raw", "frozen", "history")
# How many columns the primary key of a raw table has if a drop has one row per key: as_of, key.
ONE_ROW_PER_KEY = 2
NOT_IN_HISTORY = ("as_of", "revision", "row_digest")

# (schema, table) -> column -> SQL type
LiveColumns = dict[tuple[str, str], dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class PlannedChange:
    """One statement that `migrate` will run, with a description for the user."""

    description: str
    statement: sql.Composed


def live_columns(connection: psycopg.Connection) -> LiveColumns:
    """Read the columns of all tables in our schemas: (schema, table) -> column -> SQL type."""
    rows = connection.execute(QUERIES["select_columns"], [list(SCHEMAS)])
    live: LiveColumns = {}
    for schema, table, column, sql_type in rows:
        live.setdefault((schema, table), {})[column] = sql_type
    return live


def plan_tables(connection: psycopg.Connection, catalog: Catalog) -> list[PlannedChange]:
    """Plan the statements that create what the database misses; nothing is ever dropped.

    Raises:
        CatalogInvalid: the stored rows have a different key or a different type of a column, or
            an expression has changed.
    """
    live = live_columns(connection)
    _refuse_changed_key(live, catalog)
    _refuse_changed_types(live, catalog)
    _refuse_changed_rows(connection, catalog)
    changes: list[PlannedChange] = []
    for table in catalog.frozen_tables:
        changes += _plan_table(connection, table, catalog, live)
    return changes + _plan_overview(connection, catalog)


def _plan_table(
    connection: psycopg.Connection,
    table: str,
    catalog: Catalog,
    live: LiveColumns,
) -> list[PlannedChange]:
    """Plan the raw table, the frozen table and the view of one table of the catalog."""
    raw = {
        name: COLUMN_TYPES[column.type].sql for name, column in catalog.file_columns(table).items()
    }
    row_keys = [catalog.entity.key]
    if table in catalog.events:
        row_keys.append(ROW_NUMBER)
        raw[ROW_NUMBER] = COLUMN_TYPES["int"].sql
    frozen = {
        name: COLUMN_TYPES[column.type].sql for name, column in catalog.columns(table).items()
    }
    changes = _plan_columns("raw", table, raw, live.get(("raw", table)), row_keys)
    changes += _plan_columns("frozen", table, frozen, live.get(("frozen", table)), row_keys[:1])
    changes += _plan_expressions(connection, table, catalog)
    all_columns = {**live.get(("frozen", table), {}), **frozen}
    history_columns = [name for name in all_columns if name not in NOT_IN_HISTORY]
    if set(history_columns) - set(live.get(("history", table), {})):
        statement = create_history_view(table, history_columns)
        changes.append(PlannedChange(description=f"view history.{table}", statement=statement))
    return changes


def _refuse_changed_key(live: LiveColumns, catalog: Catalog) -> None:
    """Refuse a different key: the stored rows have none of its values."""
    key = catalog.entity.key
    mistakes = [
        f"entity.key: '{key}' is no column of the stored rows of '{table}'"
        for table in catalog.frozen_tables
        if key not in live.get(("frozen", table), {key: ""})
    ]
    if mistakes:
        raise CatalogInvalid(
            "\n".join(mistakes),
            violations=mistakes,
            remedy="Name the former key, with key_header if the files call it differently, or use a"
            " new state folder.",
        )


def _refuse_changed_types(live: LiveColumns, catalog: Catalog) -> None:
    """Refuse a column whose stored rows have a different type.

    The columns of a file of events are in its raw table only: COPY would write the bytes of one
    type into a column of the other.
    """
    mistakes = []
    for table in catalog.frozen_tables:
        stored = live.get(("frozen", table), {})
        for name, column in catalog.columns(table).items():
            path = catalog.path(table, name)
            mistakes += _describe_changed_type(path, column.type, stored.get(name))
    for table in catalog.events:
        stored = live.get(("raw", table), {})
        for name, column in catalog.file_columns(table).items():
            path = f"{catalog.section(table)}.columns.{name}"
            mistakes += _describe_changed_type(path, column.type, stored.get(name))
    if mistakes:
        raise CatalogInvalid(
            "\n".join(mistakes),
            violations=mistakes,
            remedy="Give the column with the new type a new name.",
        )


def _describe_changed_type(path: str, type_name: str, stored: str | None) -> list[str]:
    """Return what differs, if the stored rows of a column have a different type of SQL."""
    if stored in (None, COLUMN_TYPES[type_name].sql):
        return []
    return [f"{path}: the type is '{type_name}', but the type of the stored rows is '{stored}'"]


def _refuse_changed_rows(connection: psycopg.Connection, catalog: Catalog) -> None:
    """Refuse a table that had one row per key and has several now, or the opposite."""
    mistakes = []
    for table, column_count in connection.execute(QUERIES["select_raw_key_columns"]):
        has_events = column_count > ONE_ROW_PER_KEY
        if table in catalog.frozen_tables and has_events != (table in catalog.events):
            rows = "several rows" if has_events else "one row"
            mistakes.append(f"{catalog.section(table)}: the table raw.{table} has {rows} per key")
    if mistakes:
        raise CatalogInvalid(
            "\n".join(mistakes),
            violations=mistakes,
            remedy='Give the table a new name, and name its file with file = "…".',
        )


def _plan_expressions(
    connection: psycopg.Connection,
    table: str,
    catalog: Catalog,
) -> list[PlannedChange]:
    """Plan to store the computation of each new computed column as its comment.

    So rows that were frozen by one computation are never explained by a different one.

    Raises:
        CatalogInvalid: the computation of a frozen column has changed.
    """
    rows = connection.execute(
        QUERIES["select_column_comments"],
        [sql.Identifier("frozen", table).as_string(connection)],
    )
    stored: dict[str, str | None] = dict(rows.fetchall())
    changes = []
    mistakes = []
    for name, column in catalog.columns(table).items():
        computation = catalog.computation(table, name)
        if name in stored and stored[name] != computation:
            origin = f"computed by {stored[name]!r}" if stored[name] else "read from the file"
            noun = "" if isinstance(column, Aggregate) else "expr = "
            mistakes.append(
                f"{catalog.path(table, name)}: the frozen rows were {origin},"
                f" but the catalog says {noun}{computation!r}"
            )
        elif name not in stored and computation is not None:
            changes.append(
                PlannedChange(
                    description=f"frozen.{table}.{name} = {computation}",
                    statement=comment_on_expression(table, name, computation),
                )
            )
    if mistakes:
        raise CatalogInvalid(
            "\n".join(mistakes),
            violations=mistakes,
            remedy="Give the column with the new meaning a new name.",
        )
    return changes


def _plan_columns(
    schema: str,
    table: str,
    types: dict[str, str],
    live: dict[str, str] | None,
    row_keys: Sequence[str],
) -> list[PlannedChange]:
    """Plan to create a table, or to add the columns that it misses.

    Args:
        schema: raw or frozen.
        table: the table.
        types: column -> SQL type that the table must have.
        live: column -> SQL type that it has; None: the table does not exist.
        row_keys: the columns that name a row of a drop: the key, and for events its row number.
    """
    if live is None:
        return [
            PlannedChange(
                description=f"table {schema}.{table} ({count_of(len(types), 'column')})",
                statement=create_table(schema, table, types, row_keys),
            )
        ]
    return [
        PlannedChange(
            description=f"column {schema}.{table}.{column} {sql_type}",
            statement=add_column(schema, table, column, sql_type),
        )
        for column, sql_type in types.items()
        if column not in live
    ]


def _plan_overview(connection: psycopg.Connection, catalog: Catalog) -> list[PlannedChange]:
    """Plan the view of the drops if it does not exist or was made for a different label."""
    label = f"{catalog.label.table}.{catalog.label.column}"
    comment = f"{catalog.entity.table}, {label}"
    row = connection.execute(QUERIES["select_overview_comment"]).fetchone()
    if row is not None and row[0] == comment:
        return []
    return [
        PlannedChange(
            description=f"view streamflow.drop_overview of {comment}",
            statement=create_overview_view(catalog, comment),
        )
    ]
