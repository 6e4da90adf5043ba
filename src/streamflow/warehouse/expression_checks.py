"""Check the SQL expressions of a catalog, of derived columns and of aggregates, at `migrate`.

No expression is evaluated, and the role EXPRESSIONS asks, which has no right of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from streamflow.catalog import Aggregate, Catalog, Column
from streamflow.catalog.aggregate import CONDITION_FUNCTIONS
from streamflow.column_types import COLUMN_TYPES
from streamflow.database.sql_files import load_queries
from streamflow.errors import CatalogInvalid
from streamflow.expression import expression_text, name_lag
from streamflow.warehouse.roles import EXPRESSIONS

QUERIES = load_queries(__file__, "expression_checks.sql")

# The types that a condition may return.
CONDITION_TYPES = frozenset({"boolean"})


@dataclass(frozen=True, kw_only=True)
class _Expression:
    """An expression of the catalog.

    table         the table that it belongs to
    path          where the catalog declares it, with its option
    text          the expression as the catalog has it
    value_noun    what messages call the type that it must have
    sql_types     the SQL types that it may return
    """

    table: str
    path: str
    text: str
    value_noun: str
    sql_types: frozenset[str]

    @property
    def sql(self) -> sql.SQL:
        """Return the SQL of the expression. The catalog has checked that it is one expression."""
        return sql.SQL(expression_text(self.text))


def check_expressions(connection: psycopg.Connection, catalog: Catalog) -> None:
    """Let PostgreSQL check every expression of the catalog; the database stays as it is.

    Raises:
        CatalogInvalid: expressions are wrong. The error lists all mistakes.
    """
    mistakes = []
    for expression in _list_expressions(catalog):
        mistake = _find_mistake(connection, catalog, expression)
        if mistake:
            mistakes.append(f"{expression.path} = {expression.text!r}: {mistake}")
    if mistakes:
        raise CatalogInvalid("\n".join(mistakes), violations=mistakes)


def _list_expressions(catalog: Catalog) -> Iterator[_Expression]:
    for table in catalog.frozen_tables:
        for name, column in catalog.columns(table).items():
            path = catalog.path(table, name)
            if isinstance(column, Aggregate):
                yield _describe_aggregate(table, path, column)
            elif column.expr is not None:
                yield _Expression(
                    table=table,
                    path=f"{path}: expr",
                    text=column.expr,
                    value_noun=f"'{column.type}'",
                    sql_types=COLUMN_TYPES[column.type].expression_types,
                )


def _describe_aggregate(table: str, path: str, column: Aggregate) -> _Expression:
    """Return the expression of an aggregate, which is computed for each event."""
    is_condition = column.function in CONDITION_FUNCTIONS
    value_types = COLUMN_TYPES[column.type].expression_types
    return _Expression(
        table=table,
        path=f"{path}: {column.function}",
        text=column.expression,
        value_noun="a condition" if is_condition else f"'{column.type}'",
        sql_types=CONDITION_TYPES if is_condition else value_types,
    )


def _find_mistake(connection: psycopg.Connection, catalog: Catalog, expression: _Expression) -> str:
    """Return what is wrong with an expression, or an empty text.

    PostgreSQL indexes an expression only if it is one value of immutable parts. So creating an
    index refuses now() and subqueries.
    """
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(EXPRESSIONS)))
        connection.execute(_create_check_table(catalog, expression.table))
        try:
            sql_type = _read_type(connection, expression)
            create_index = sql.SQL("CREATE INDEX ON derived_check (({}))")
            # A prepared statement is one statement.
            connection.execute(create_index.format(expression.sql), prepare=True)
        except psycopg.Error as exc:
            reason = str(exc.diag.message_primary or exc)
            if "index expression" in reason:
                return (
                    f"{reason} (an expression may use neither the clock, nor random numbers,"
                    " nor a different table)"
                )
            return reason
    if sql_type in expression.sql_types:
        return ""
    return f"its type is {sql_type}, which does not fit into {expression.value_noun}"


def _read_type(connection: psycopg.Connection, expression: _Expression) -> str:
    """Return the SQL type of an expression over the check table, which has no rows."""
    query = sql.SQL("SELECT ({}) FROM derived_check LIMIT 0").format(expression.sql)
    description = connection.execute(query, prepare=True).description
    assert description is not None
    row = connection.execute(QUERIES["select_type_name"], [description[0].type_code]).fetchone()
    assert row is not None
    name: str = row[0]
    return name


def _create_check_table(catalog: Catalog, table: str) -> sql.Composed:
    """Return the SQL of an empty table with every column that an expression may use."""
    columns: dict[str, Column] = dict(catalog.file_columns(table))
    if table not in catalog.events:
        for name, column in catalog.columns(table).items():
            columns[name_lag(name)] = column
    types = {name: COLUMN_TYPES[column.type].sql for name, column in columns.items()}
    types["as_of"] = "date"
    fields = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(sql_type))
        for name, sql_type in types.items()
    ]
    return sql.SQL("CREATE TEMP TABLE derived_check ({})").format(sql.SQL(", ").join(fields))
