"""Checks of a database: its clock, protection, grants, columns, and drops that are not frozen."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.core.data.counts import count_of
from streamflow.core.training.training_set import describe_revision
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.roles import WRITER

QUERIES = load_queries(__file__, "database_checks.sql")

# Tables of the schema `streamflow` whose rows nobody may change or delete.
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
    "lake_revision",
)
# The columns that every frozen table has besides those of the catalog.
REVISION_COLUMNS = ("as_of", "revision", "row_digest")
# Schema -> the privileges that the writer role needs on every table in it.
WRITER_PRIVILEGES = {"raw": "SELECT, INSERT, DELETE", "frozen": "SELECT, INSERT"}


def read_clocks(connection: psycopg.Connection) -> tuple[datetime, datetime | None]:
    """Read the database's clock and the newest `known_at` of all revisions."""
    row = connection.execute(QUERIES["select_clocks"]).fetchone()
    assert row is not None
    return row[0], row[1]


def unprotected_tables(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Return each (table, trigger) whose trigger against changes is missing or disabled."""
    rows = connection.execute(QUERIES["select_unprotected_tables"], [list(APPEND_ONLY)])
    return [(table, trigger) for table, trigger in rows]


def describe_miscounts(connection: psycopg.Connection) -> list[str]:
    """Describe each revision that has not as many rows as it recorded.

    Rows that belong to no revision are described too.
    """
    descriptions = []
    for (table,) in connection.execute(QUERIES["select_frozen_tables"]).fetchall():
        miscounts = connection.execute(_compose_miscounts(table))
        for as_of, number, row_count, recorded in miscounts:
            name = describe_revision(table, as_of, number)
            if recorded is None:
                rows = count_of(row_count, "row")
                descriptions.append(f"{name}: {rows} without a revision")
            else:
                descriptions.append(f"{name}: {row_count:,} rows, recorded are {recorded:,}")
    return descriptions


def _compose_miscounts(table: str) -> sql.Composed:
    """Compose the query for as_of, number, rows and recorded rows; NULL: there is no revision.

    A revision of the lake may have no rows here.
    """
    return sql.SQL(
        "SELECT as_of, revision, coalesce(f.rows, 0), r.rows"
        " FROM (SELECT as_of, revision, count(*) AS rows FROM {frozen} GROUP BY 1, 2) AS f"
        " FULL JOIN (SELECT as_of, revision, rows, l.snapshot_id IS NOT NULL AS in_lake"
        " FROM streamflow.revision LEFT JOIN streamflow.lake_revision AS l"
        " USING (table_name, as_of, revision)"
        " WHERE table_name = {table}) AS r USING (as_of, revision)"
        " WHERE f.rows IS DISTINCT FROM r.rows AND coalesce(f.rows, r.rows) > 0"
        " AND (f.rows IS NOT NULL OR NOT r.in_lake) ORDER BY 1, 2"
    ).format(frozen=sql.Identifier("frozen", table), table=sql.Literal(table))


def tables_owned_by_writer(connection: psycopg.Connection) -> list[str]:
    """Return the frozen tables that the writer role owns: an owner could disable their triggers."""
    rows = connection.execute(QUERIES["select_tables_of_owner"], [WRITER])
    return [name for (name,) in rows]


def missing_grants(connection: psycopg.Connection) -> list[str]:
    """Return the SQL that gives the writer role its missing rights on raw and frozen tables."""
    statements = []
    for schema, privileges in WRITER_PRIVILEGES.items():
        parameters = {
            "schema": schema,
            "role": WRITER,
            "needed": privileges,
            "privileges": privileges.split(", "),
        }
        rows = connection.execute(QUERIES["select_missing_grants"], parameters)
        statements += [statement for (statement,) in rows]
    return statements


def surplus_columns(connection: psycopg.Connection, catalog: Catalog) -> list[str]:
    """Return the frozen columns that the catalog no longer declares, as `table.column`."""
    rows = connection.execute(QUERIES["select_frozen_columns"])
    declared = {
        table: {*catalog.columns(table), *REVISION_COLUMNS} for table in catalog.frozen_tables
    }
    return [
        f"{table}.{column}"
        for table, column in rows
        if column not in declared.get(table, REVISION_COLUMNS)
    ]


def drops_without_revision(connection: psycopg.Connection) -> dict[datetime, list[str]]:
    """Return the delivered tables that have no revision, by the `as_of` of their drop."""
    tables_by_drop: dict[datetime, list[str]] = {}
    for as_of, table in connection.execute(QUERIES["select_drops_without_revision"]):
        tables_by_drop.setdefault(as_of, []).append(table)
    return tables_by_drop
