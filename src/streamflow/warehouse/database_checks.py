"""Questions to a database about itself: clocks, protection, grants, columns, drops that nobody froze."""

from __future__ import annotations

from datetime import datetime

import psycopg

from streamflow.catalog import Catalog
from streamflow.warehouse.roles import WRITER

APPEND_ONLY = (
    "drop_file",
    "revision",
    "revision_column",
    "passport",
    "passport_source",
    "ledger",
    "retraining",
    "monitor_report",
    "skew_report",
)  # of the schema streamflow
FIXED = ("as_of", "revision", "row_digest")
NEEDED = {"raw": "SELECT, INSERT, DELETE", "frozen": "SELECT, INSERT"}


def clocks(connection: psycopg.Connection) -> tuple[datetime, datetime | None]:
    """The database's clock, and the newest known_at."""
    row = connection.execute(
        "SELECT clock_timestamp(), (SELECT max(known_at) FROM streamflow.revision)"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def unprotected(connection: psycopg.Connection) -> list[str]:
    """The tables whose trigger against changes is missing or disabled."""
    rows = connection.execute(
        "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND (n.nspname = 'frozen'"
        "   OR (n.nspname = 'streamflow' AND (c.relname = ANY(%s) OR starts_with(c.relname, 'prediction_log'))))"
        " AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'frozen' AND t.tgenabled IN ('O', 'A')"
        "   AND t.tgfoid = to_regproc('streamflow.refuse_change')) ORDER BY 1",
        [list(APPEND_ONLY)],
    )
    return [name for (name,) in rows]


def owned_by_writer(connection: psycopg.Connection) -> list[str]:
    """The frozen tables that the writer role owns: an owner could disable their triggers."""
    rows = connection.execute(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('frozen', 'streamflow')"
        " AND tableowner = %s ORDER BY 1",
        [WRITER],
    )
    return [name for (name,) in rows]


def missing_grants(connection: psycopg.Connection) -> list[str]:
    """The SQL that gives the writer role what it lacks on raw and frozen tables."""
    statements = []
    for schema, needed in NEEDED.items():
        rows = connection.execute(
            "SELECT format('GRANT %%s ON %%I.%%I TO %%I', %(needed)s::text, schemaname, tablename, %(role)s::text) FROM pg_tables"
            " WHERE schemaname = %(schema)s AND NOT (SELECT bool_and(has_table_privilege(%(role)s::text,"
            "   format('%%I.%%I', schemaname, tablename), p)) FROM unnest(%(privileges)s::text[]) p) ORDER BY 1",
            {"schema": schema, "role": WRITER, "needed": needed, "privileges": needed.split(", ")},
        )
        statements += [statement for (statement,) in rows]
    return statements


def surplus_columns(connection: psycopg.Connection, catalog: Catalog) -> list[str]:
    """The frozen columns that the catalog does not declare any more."""
    rows = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'frozen' ORDER BY 1, ordinal_position"
    )
    declared = {table: {*catalog.columns(table), *FIXED} for table in catalog.tables}
    return [
        f"{table}.{column}" for table, column in rows if column not in declared.get(table, FIXED)
    ]


def not_frozen(connection: psycopg.Connection) -> dict[datetime, list[str]]:
    """as_of -> the delivered tables of which there is no revision."""
    rows = connection.execute(
        "SELECT DISTINCT as_of, table_name FROM streamflow.drop_file d WHERE NOT EXISTS (SELECT FROM streamflow.revision r"
        " WHERE r.as_of = d.as_of AND r.table_name = d.table_name) ORDER BY 1, 2"
    )
    found: dict[datetime, list[str]] = {}
    for as_of, table in rows:
        found.setdefault(as_of, []).append(table)
    return found
