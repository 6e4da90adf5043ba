"""The tables that the catalog asks for, made by comparing it with the database.

Per catalog table T: `raw.T` (the newest content of each drop), `frozen.T` (every revision, never changed) and the view
`history.T` (the frozen rows with the span of time in which they were the newest known: what Feast reads). And
`streamflow.drop_overview`: how many users and how many labels each drop has, for dashboards.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.errors import CatalogInvalid
from streamflow.warehouse.derived import check_expressions
from streamflow.warehouse.roles import READER, WRITER
from streamflow.warehouse.sql_types import SQL_TYPES

SCHEMAS = ("raw", "frozen", "history")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that `migrate` does."""

    description: str
    statement: sql.Composed


def live_columns(connection: psycopg.Connection) -> dict[tuple[str, str], dict[str, str]]:
    """(schema, table) -> column -> SQL type, of our schemas."""
    rows = connection.execute(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = ANY(%s) ORDER BY ordinal_position",
        [list(SCHEMAS)],
    )
    live: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in rows:
        live.setdefault((schema, table), {})[column] = kind
    return live


def plan_tables(connection: psycopg.Connection, catalog: Catalog) -> list[Change]:
    """What is missing in the database; nothing is ever dropped.

    Raises CatalogInvalid when a column's type differs from the one that rows were stored with.
    """
    live = live_columns(connection)
    _refuse_changed_types(live, catalog)
    changes: list[Change] = []
    check_expressions(connection, catalog)
    for table in catalog.tables:
        of_file = {name: SQL_TYPES[c.type] for name, c in catalog.file_columns(table).items()}
        wanted = {name: SQL_TYPES[c.type] for name, c in catalog.columns(table).items()}
        for schema, columns in (("raw", of_file), ("frozen", wanted)):
            changes += _missing_in(
                schema, table, columns, live.get((schema, table)), catalog.entity.key
            )
        changes += _formulas(connection, table, catalog)
        stored = {**(live.get(("frozen", table)) or {}), **wanted}
        shown = [c for c in stored if c not in ("as_of", "revision", "row_digest")]
        if set(shown) - set(live.get(("history", table), {})):
            changes.append(
                Change(description=f"view history.{table}", statement=_history(table, shown))
            )
    return changes + _overview(connection, catalog)


def _refuse_changed_types(live: dict[tuple[str, str], dict[str, str]], catalog: Catalog) -> None:
    mistakes = [
        f"tables.{table}.columns.{name}: the type is '{column.type}', but frozen rows hold it as '{stored[name]}'"
        for table in catalog.tables
        for name, column in catalog.columns(table).items()
        if (stored := live.get(("frozen", table), {}))
        and stored.get(name, SQL_TYPES[column.type]) != SQL_TYPES[column.type]
    ]
    if mistakes:
        raise CatalogInvalid(
            "\n".join(mistakes),
            violations=mistakes,
            remedy="Give the column of the new type a new name.",
        )


def _formulas(connection: psycopg.Connection, table: str, catalog: Catalog) -> list[Change]:
    """The expression of each derived column is kept as its comment: what was frozen by one is never explained by another.

    Raises CatalogInvalid when a column that is frozen has changed its expression.
    """
    rows = connection.execute(
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0",
        [sql.Identifier("frozen", table).as_string(connection)],
    )
    known: dict[str, str | None] = dict(rows.fetchall())
    changes, mistakes = [], []
    for name, column in catalog.columns(table).items():
        if name in known and known[name] != column.expr:
            was = f"computed by {known[name]!r}" if known[name] else "read from the file"
            mistakes.append(
                f"tables.{table}.columns.{name}: frozen rows hold it as {was}, the catalog says expr = {column.expr!r}"
            )
        elif name not in known and column.expr is not None:
            statement = sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                sql.Identifier("frozen", table, name), sql.Literal(column.expr)
            )
            changes.append(
                Change(description=f"frozen.{table}.{name} = {column.expr}", statement=statement)
            )
    if mistakes:
        raise CatalogInvalid(
            "\n".join(mistakes),
            violations=mistakes,
            remedy="Give the column of the new meaning a new name.",
        )
    return changes


def _missing_in(
    schema: str, table: str, wanted: dict[str, str], live: dict[str, str] | None, key: str
) -> list[Change]:
    name = sql.Identifier(schema, table)
    if live is None:
        return [
            Change(
                description=f"table {schema}.{table} ({len(wanted)} columns)",
                statement=_create(schema, table, wanted, key),
            )
        ]
    return [
        Change(
            description=f"column {schema}.{table}.{column} {kind}",
            statement=sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                name, sql.Identifier(column), sql.SQL(kind)
            ),
        )
        for column, kind in wanted.items()
        if column not in live
    ]


def _create(schema: str, table: str, wanted: dict[str, str], key: str) -> sql.Composed:
    name, writer = sql.Identifier(schema, table), sql.Identifier(WRITER)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(c), sql.SQL(kind), sql.SQL(" NOT NULL" if c == key else "")
        )
        for c, kind in wanted.items()
    )
    if schema == "raw":
        return sql.SQL(
            "CREATE TABLE {name} (as_of timestamptz NOT NULL, {columns}, PRIMARY KEY (as_of, {key}));"
            "GRANT SELECT, INSERT, DELETE ON {name} TO {writer}"
        ).format(name=name, columns=columns, key=sql.Identifier(key), writer=writer)
    return sql.SQL(
        "CREATE TABLE {name} (as_of timestamptz NOT NULL, revision integer NOT NULL, {columns}, row_digest bytea NOT NULL,"
        " PRIMARY KEY (as_of, revision, {key}));"
        "CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
        " FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();"
        "GRANT SELECT, INSERT ON {name} TO {writer};"
        "GRANT SELECT, UPDATE, DELETE ON {name} TO streamflow_maintenance"
    ).format(name=name, columns=columns, key=sql.Identifier(key), writer=writer)


def _history(table: str, shown: list[str]) -> sql.Composed:
    """The frozen rows of one table with `known_at` and `superseded_at` of their revision.

    "As known at K" is `known_at <= K AND (superseded_at IS NULL OR superseded_at > K)`.
    """
    return sql.SQL(
        "DROP VIEW IF EXISTS {view}; CREATE VIEW {view} AS"
        " SELECT {columns}, f.as_of, f.revision, r.known_at, r.superseded_at FROM {frozen} f"
        " JOIN (SELECT as_of, revision, known_at,"
        "        lead(known_at) OVER (PARTITION BY as_of ORDER BY revision) AS superseded_at"
        "        FROM streamflow.revision WHERE table_name = {table}) r USING (as_of, revision);"
        "GRANT SELECT ON {view} TO {writer}"
    ).format(
        view=sql.Identifier("history", table),
        frozen=sql.Identifier("frozen", table),
        table=sql.Literal(table),
        columns=sql.SQL(", ").join(sql.SQL("f.{}").format(sql.Identifier(c)) for c in shown),
        writer=sql.Identifier(WRITER),
    )


def _overview(connection: psycopg.Connection, catalog: Catalog) -> list[Change]:
    """The view of the drops, where it lacks or was made for another label: its comment says for which."""
    of = f"{catalog.entity.table}, {catalog.label.table}.{catalog.label.column}"
    row = connection.execute(
        "SELECT obj_description(to_regclass('streamflow.drop_overview'), 'pg_class')"
    ).fetchone()
    if row is not None and row[0] == of:
        return []
    statement = sql.SQL(
        "CREATE OR REPLACE VIEW streamflow.drop_overview AS"
        " SELECT drop.as_of, drop.rows AS population, labels.labelled, labels.positives"
        " FROM (SELECT DISTINCT ON (as_of) as_of, rows FROM streamflow.revision WHERE table_name = {entity}"
        "       ORDER BY as_of, revision DESC) AS drop"
        " LEFT JOIN (SELECT as_of, max(revision) AS revision FROM streamflow.revision WHERE table_name = {table}"
        "       GROUP BY as_of) AS newest USING (as_of)"
        " CROSS JOIN LATERAL (SELECT count(*) AS labelled, count(*) FILTER (WHERE {label}) AS positives FROM {frozen} f"
        "       WHERE f.as_of = drop.as_of AND f.revision = newest.revision) AS labels;"
        "COMMENT ON VIEW streamflow.drop_overview IS {of};"
        "GRANT SELECT ON streamflow.drop_overview TO {reader}, {writer}"
    ).format(
        entity=sql.Literal(catalog.entity.table), table=sql.Literal(catalog.label.table), of=sql.Literal(of),
        label=sql.Identifier("f", catalog.label.column), frozen=sql.Identifier("frozen", catalog.label.table),
        reader=sql.Identifier(READER), writer=sql.Identifier(WRITER),
    )  # fmt: skip
    return [Change(description=f"view streamflow.drop_overview of {of}", statement=statement)]
