"""The tables of the warehouse in a small form: frozen rows, revisions, histories.

Tests of Feast need no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from streamflow.catalog import Catalog, parse_catalog
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.digest import digest_frame
from streamflow.database import Address, connect, ensure_database
from streamflow.platform import Platform
from streamflow.warehouse import frozen


def instant(text: str) -> datetime:
    """An instant in UTC from ISO text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def create_schemas(connection: psycopg.Connection) -> None:
    """The fixed part: five schemas, the table of revisions, and that of those in the lake."""
    connection.execute(
        "CREATE SCHEMA IF NOT EXISTS streamflow; CREATE SCHEMA IF NOT EXISTS frozen;"
        " CREATE SCHEMA IF NOT EXISTS history;"
        "CREATE SCHEMA IF NOT EXISTS online; CREATE SCHEMA IF NOT EXISTS feast;"
        "CREATE TABLE IF NOT EXISTS streamflow.revision (table_name text,"
        " as_of timestamptz, revision integer,"
        " known_at timestamptz NOT NULL, rows bigint, digest text,"
        " PRIMARY KEY (table_name, as_of, revision));"
        "CREATE TABLE IF NOT EXISTS streamflow.lake_revision (table_name text,"
        " as_of timestamptz, revision integer);"
        "CREATE OR REPLACE FUNCTION streamflow.is_forgotten(key text, as_of timestamptz)"
        " RETURNS boolean LANGUAGE sql AS 'SELECT false'"
    )


def create_table(connection: psycopg.Connection, table: str, types: Mapping[str, str]) -> None:
    """`frozen.<table>` and `history.<table>`, empty.

    `types` is column -> catalog type, the key first.
    """
    key = next(iter(types))
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(COLUMN_TYPES[kind].sql))
        for name, kind in types.items()
    )
    connection.execute(
        sql.SQL(
            "DROP TABLE IF EXISTS {frozen} CASCADE;"
            " CREATE TABLE {frozen} (as_of timestamptz, revision integer, {columns},"
            " row_digest bytea, PRIMARY KEY (as_of, revision, {key}));"
            "CREATE VIEW {history} AS SELECT {names}, f.as_of, f.revision,"
            " r.known_at, r.superseded_at FROM {frozen} f"
            " JOIN (SELECT as_of, revision, known_at, lead(known_at) OVER (PARTITION BY as_of"
            " ORDER BY revision) AS superseded_at"
            "       FROM streamflow.revision WHERE table_name = {table}) r USING (as_of, revision)"
        ).format(
            frozen=sql.Identifier("frozen", table),
            history=sql.Identifier("history", table),
            columns=columns,
            key=sql.Identifier(key),
            names=sql.SQL(", ").join(
                sql.SQL("f.{}").format(sql.Identifier(name)) for name in types
            ),
            table=sql.Literal(table),
        )
    )
    connection.execute("DELETE FROM streamflow.revision WHERE table_name = %s", [table])


def freeze(  # read in this order
    connection: psycopg.Connection,
    table: str,
    as_of: datetime,
    known_at: datetime,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """A new revision of `as_of`, known from `known_at` on; returns its number."""
    counted = connection.execute(
        "SELECT coalesce(max(revision), 0) + 1 FROM streamflow.revision"
        " WHERE table_name = %s AND as_of = %s",
        [table, as_of],
    ).fetchone()
    assert counted is not None
    number: int = counted[0]
    names = sql.SQL(", ").join(map(sql.Identifier, ["as_of", "revision", *columns]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("frozen", table), names)
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([as_of, number, *row])
            count += 1
    connection.execute(
        "INSERT INTO streamflow.revision VALUES (%s, %s, %s, %s, %s, '')",
        [table, as_of, number, known_at, count],
    )
    return number


def create_catalog_tables(connection: psycopg.Connection, catalog: Catalog) -> None:
    """Every table of the catalog, empty."""
    create_schemas(connection)
    for table in catalog.tables:
        create_table(
            connection,
            table,
            {name: column.type for name, column in catalog.columns(table).items()},
        )


@contextmanager
def fresh_database(server: Address) -> Iterator[psycopg.Connection]:
    """Make a database and yield a connection to it.

    PG* names it for this process and its children until the end of the block.
    """
    address = server.with_database(f"features_{uuid4().hex[:12]}")
    ensure_database(server, address.database)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in address.environment().items():
            patch.setenv(name, value)
        with psycopg.connect("", autocommit=True) as connection:
            yield connection
    with connect(server, autocommit=True) as admin:
        admin.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(address.database))
        )


def pg_environment() -> dict[str, str]:
    """libpq's variables as they are now."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG")}


def stock_store_options() -> dict[str, Any]:
    """What Feast's own PostgreSQL stores must be told; ours read PG* themselves."""
    with psycopg.connect("") as connection:
        info = connection.info
        host = os.environ.get("PGHOST", info.host)
        return {
            "type": "postgres",
            "host": host,
            "port": info.port,
            "database": info.dbname,
            "db_schema": "public",
            "user": info.user,
            "password": info.password,
            "sslmode": "disable",
        }


TINY = """
model = "tiny"
[entity]
name = "user"
key = "user_id"
type = "{key_type}"
table = "people"
[label]
table = "labels"
column = "churned"
[views.plan_fv]
table = "plan"
[views.usage_fv]
table = "usage"
ttl_days = 31
[tables.people.columns]
born = {{ type = "date" }}
[tables.plan.columns]
tenure = {{ type = "int", nullable = true, view = "plan_fv" }}
fee = {{ type = "float", nullable = true, view = "plan_fv" }}
paperless = {{ type = "bool", nullable = true, view = "plan_fv" }}
net = {{ type = "string", nullable = true, categorical = true, view = "plan_fv" }}
[tables.usage.columns]
hours = {{ type = "float", nullable = true, view = "usage_fv" }}
[tables.labels.columns]
churned = {{ type = "bool" }}
"""


def tiny_catalog(key_type: str = "string") -> Catalog:
    """Two views with a feature of every type, all nullable; ttl 62 and 31 days."""
    return parse_catalog(TINY.format(key_type=key_type), origin="tiny.toml")


def record_again(platform: Platform) -> None:
    """Make the record of every revision that of the rows that lie there now."""
    key = platform.catalog.entity.key
    with platform.maintenance_connection() as connection:
        for revision in frozen.all_revisions(connection):
            recorded = frozen.stored_digest(connection, revision)
            types = {column.name: column.type for column in recorded.columns}
            rows = frozen.read_rows(
                platform.address, revision.table, types, [(revision.as_of, revision.revision)]
            )
            digest = digest_frame(rows.drop("as_of"), key=key, types=types)
            place = (revision.table, revision.as_of, revision.revision)
            connection.execute(
                "UPDATE streamflow.revision SET rows = %s, digest = %s"
                " WHERE (table_name, as_of, revision) = (%s, %s, %s)",
                [digest.rows, digest.value, *place],
            )
            for column in digest.columns:
                connection.execute(
                    "UPDATE streamflow.revision_column SET buckets = %s"
                    " WHERE (table_name, as_of, revision, name) = (%s, %s, %s, %s)",
                    [column.buckets, *place, column.name],
                )
