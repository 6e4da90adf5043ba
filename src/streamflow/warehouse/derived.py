"""Derived columns: SQL expressions of the catalog, checked at `migrate`, computed once when a snapshot freezes.

An expression sees the columns of its table's file, `as_of` (a date) and `lag(column)`: the same key's value in the newest
drop before this one, null where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from streamflow.catalog import Catalog, Column
from streamflow.errors import CatalogInvalid
from streamflow.warehouse.sql_types import SQL_TYPES

LAG = re.compile(r"\blag\(\s*([a-z][a-z0-9_]*)\s*\)")
FITS = {  # catalog type -> what an expression may give: nothing that would be rounded or guessed
    "int": {"smallint", "integer", "bigint"},
    "float": {"smallint", "integer", "bigint", "real", "double precision", "numeric"},
    "bool": {"boolean"},
    "string": {"text", "character varying"},
    "date": {"date"},
    "timestamp": {"timestamp with time zone"},
}
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Drop:
    """What is frozen of one table: the drop itself and, for `lag`, the newest revision of the one before it.

    population   the table whose keys without a row in this one get a row of nulls; none: every row is the file's own
    """

    as_of: datetime
    before: tuple[datetime, int] | None
    population: str | None = None


def check_expressions(connection: psycopg.Connection, catalog: Catalog) -> None:
    """Let PostgreSQL judge every expression of the catalog; nothing is left behind. Raises CatalogInvalid with all mistakes."""
    mistakes = [
        f"tables.{table}.columns.{name}: expr = {column.expr!r}: {mistake}"
        for table in catalog.tables
        for name, column in catalog.derived_columns(table).items()
        if (mistake := _mistake(connection, catalog, table, column))
    ]
    if mistakes:
        raise CatalogInvalid("\n".join(mistakes), violations=mistakes)


def _mistake(connection: psycopg.Connection, catalog: Catalog, table: str, column: Column) -> str:
    """What is wrong with an expression. An index takes only one value of immutable parts: neither now() nor a subquery."""
    columns = {name: SQL_TYPES[c.type] for name, c in catalog.file_columns(table).items()}
    lags = {_lagged(name): SQL_TYPES[c.type] for name, c in catalog.columns(table).items()}
    fields = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in {**columns, "as_of": "date", **lags}.items()
    )
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("CREATE TEMP TABLE derived_check ({})").format(fields))
        try:
            row = connection.execute(
                sql.SQL(
                    "SELECT format_type(pg_typeof(({})), NULL) FROM (SELECT) one LEFT JOIN derived_check ON true"
                ).format(expression(column))
            ).fetchone()
            connection.execute(
                sql.SQL("CREATE INDEX ON derived_check (({}))").format(expression(column))
            )
        except psycopg.Error as exc:
            said = str(exc.diag.message_primary or exc)
            return (
                f"{said} (an expression has no clock, no chance, no other table)"
                if "index expression" in said
                else said
            )
    found = row[0] if row else ""
    return (
        "" if found in FITS[column.type] else f"it is of type {found}, which is no '{column.type}'"
    )


def expression(column: Column) -> sql.SQL:
    """The expression with `lag(x)` as the column that `source` gives for it."""
    assert column.expr is not None
    return sql.SQL(LAG.sub(lambda found: f'"{_lagged(found.group(1))}"', column.expr))


def _lagged(name: str) -> str:
    return f"lag {name}"  # no column of a catalog has a space


def source(table: str, columns: Mapping[str, Column], key: str, drop: Drop) -> sql.Composed:
    """The rows of one table of a drop as they are frozen: a query with all of `columns`, by name and type, in their order."""
    stored = [name for name, c in columns.items() if c.expr is None]
    lags = sorted({name for c in columns.values() if c.expr for name in LAG.findall(c.expr)})
    before = sql.SQL("SELECT * FROM {} WHERE as_of = {} AND revision = {}").format(
        sql.Identifier("frozen", table), sql.Literal(drop.before[0] if drop.before else None),
        sql.Literal(drop.before[1] if drop.before else None),
    )  # fmt: skip
    inner = [sql.Identifier(key)] + [
        sql.SQL("r.{}").format(sql.Identifier(name)) for name in stored if name != key
    ]
    inner += [
        sql.SQL("p.{} AS {}").format(sql.Identifier(name), sql.Identifier(_lagged(name)))
        for name in lags
    ]
    inner += [sql.SQL("{}::date AS as_of").format(sql.Literal(f"{drop.as_of:%Y-%m-%d}"))]
    join = (
        sql.SQL(" LEFT JOIN ({}) p USING ({})").format(before, sql.Identifier(key))
        if lags
        else sql.SQL("")
    )
    return sql.SQL("SELECT {outer} FROM (SELECT {inner} FROM {rows}{join}) AS row").format(
        outer=sql.SQL(", ").join(_column(name, c) for name, c in columns.items()),
        inner=sql.SQL(", ").join(inner),
        rows=_delivered(table, key, drop),
        join=join,
    )


def _delivered(table: str, key: str, drop: Drop) -> sql.Composed:
    """The raw rows `r` of a drop, with a row of nulls for each key of the population that has none."""
    rows = sql.SQL("(SELECT * FROM {} WHERE as_of = {}) r").format(
        sql.Identifier("raw", table), sql.Literal(drop.as_of)
    )
    if drop.population is None:
        return rows
    return sql.SQL(
        "(SELECT {key} FROM {population} WHERE as_of = {at}) everybody LEFT JOIN {rows} USING ({key})"
    ).format(
        key=sql.Identifier(key),
        population=sql.Identifier("raw", drop.population),
        at=sql.Literal(drop.as_of),
        rows=rows,
    )


def _column(name: str, column: Column) -> sql.Composable:
    if column.expr is None:
        return sql.Identifier(name)
    zero = " + 0" if column.type == "float" else ""  # -0.0 is 0.0, as in the files
    return sql.SQL("(({})::{}" + zero + ") AS {}").format(
        expression(column), sql.SQL(SQL_TYPES[column.type]), sql.Identifier(name)
    )


def broken_promises(
    connection: psycopg.Connection, table: str, columns: Mapping[str, Column], key: str, drop: Drop
) -> list[tuple[str, str, str]]:
    """(key, column, value) of the first derived values that break what the catalog says; a failed computation has no key."""
    rows, found = source(table, columns, key, drop), list[tuple[str, str, str]]()
    for name, column in columns.items():
        if column.expr is None:
            continue
        fields = {
            "key": sql.Identifier(key),
            "name": sql.Identifier(name),
            "rows": rows,
            "most": sql.Literal(SHOWN),
        }
        computed = sql.SQL("SELECT count({name}) FROM ({rows}) AS frozen").format(
            **fields
        )  # of every row
        broken = sql.SQL(
            "SELECT {key}::text, {name}::text FROM ({rows}) AS frozen WHERE {broken} ORDER BY 1 LIMIT {most}"
        )
        try:
            with connection.transaction():
                connection.execute(computed)
                wrong = connection.execute(broken.format(**fields, broken=_broken(name, column)))
                found += [(k, name, "null" if v is None else v) for k, v in wrong]
        except psycopg.DataError as exc:
            found.append(("", name, str(exc.diag.message_primary)))
    return found


def _broken(name: str, column: Column) -> sql.Composable:
    value = sql.Identifier(name)
    conditions: list[sql.Composable] = [sql.SQL("false")]
    if not column.nullable:
        conditions.append(sql.SQL("{} IS NULL").format(value))
    if column.type == "float":
        conditions.append(sql.SQL("{} IN ('NaN', 'Infinity', '-Infinity')").format(value))
    if column.min is not None:
        conditions.append(sql.SQL("{} < {}").format(value, sql.Literal(column.min)))
    if column.max is not None:
        conditions.append(sql.SQL("{} > {}").format(value, sql.Literal(column.max)))
    if column.categories is not None:
        conditions.append(
            sql.SQL("{} <> ALL({})").format(value, sql.Literal(list(column.categories)))
        )
    return sql.SQL(" OR ").join(conditions)
