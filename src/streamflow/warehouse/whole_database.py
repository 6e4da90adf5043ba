"""What a backup and a restore need to know about the two databases.

This is what the databases hold, what must exist before a restore, and what a restore does at its
end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from streamflow.database.sql_files import load_queries
from streamflow.warehouse.roles import API, CONSOLE, EXPRESSIONS, MAINTENANCE, READER, WRITER

QUERIES = load_queries(__file__, "whole_database.sql")

SCHEMAS = ("streamflow", "raw", "frozen", "history", "online", "feast", "lake")
# Tables whose rows are not dumped. In a backup PostgreSQL has all rows that lie in the lake.
LAKE_TABLES = (
    "lake.iceberg_tables",
    "lake.iceberg_namespace_properties",
    "streamflow.lake_revision",
)
MLFLOW_SCHEMAS = ("public",)
PG_DUMP_SELECTION = [
    *(f"--schema={name}" for name in SCHEMAS),
    *(f"--exclude-table-data={name}" for name in LAKE_TABLES),
]

# A schema that exists as long as a restore is not complete.
UNFINISHED_SCHEMA = "streamflow_restore"
# Its name when everything is restored, as long as the digests were not computed again.
UNVERIFIED_SCHEMA = "streamflow_unverified"

# Runs after a restore: makes the writer the owner of its schemas and of everything in them. It is
# composed of names that this package defines.
SET_OWNERS_SQL = f"""
ALTER SCHEMA online OWNER TO {WRITER};
ALTER SCHEMA feast OWNER TO {WRITER};
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT relnamespace::regnamespace AS place, relname FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm')
        AND relnamespace::regnamespace::text IN ('online', 'feast') LOOP
        EXECUTE format('ALTER TABLE %s.%I OWNER TO {WRITER}', one.place, one.relname);
    END LOOP;
END $$;
"""  # noqa: S608
# Runs before a restore of MLflow's database: removes all tables of MLflow.
DROP_MLFLOW_TABLES_SQL = QUERIES["drop_tables_of_mlflow"].as_string()
# Runs at the end of a restore: from here on it is complete, but not verified.
MARK_RESTORED_SQL = f"ALTER SCHEMA {UNFINISHED_SCHEMA} RENAME TO {UNVERIFIED_SCHEMA};"


def row_counts(connection: psycopg.Connection, schemas: Sequence[str]) -> dict[str, int]:
    """Count the rows of every table in some schemas.

    Returns:
        schema.table -> rows, as a dump has them. A partitioned table is counted by its partitions.
    """
    tables = connection.execute(QUERIES["select_ordinary_tables"], [list(schemas)]).fetchall()
    counts = {}
    for schema, table in tables:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        row = connection.execute(query).fetchone()
        assert row is not None
        name = f"{schema}.{table}"
        counts[name] = 0 if name in LAKE_TABLES else row[0]
    return counts


def mlflow_selection(connection: psycopg.Connection) -> list[str]:
    """Return the options of pg_dump for everything that MLflow has created.

    This is everything in `public` (it has functions too) except extensions. If an option named the
    schema itself, the dump would create it, but a new database has it already.
    """
    rows = connection.execute(QUERIES["select_schemas_except"], [list(MLFLOW_SCHEMAS)])
    exclusions = [f'--exclude-schema="{name}"' for (name,) in rows if name != "information_schema"]
    return ["--exclude-extension=*", "--no-publications", "--no-subscriptions", *exclusions]


def foreign_roles(connection: psycopg.Connection, schemas: Sequence[str]) -> list[str]:
    """Return the roles that have rights on these schemas or their content, without our own.

    A dump grants the same rights again, so these roles must exist before a restore.
    """
    own_roles = [WRITER, MAINTENANCE, API, CONSOLE, READER, EXPRESSIONS]
    rows = connection.execute(QUERIES["select_foreign_roles"], [list(schemas), own_roles])
    return [name for (name,) in rows]


def missing_roles(connection: psycopg.Connection, names: Sequence[str]) -> list[str]:
    """Return those of these roles that the server does not have."""
    existing = {name for (name,) in connection.execute(QUERIES["select_roles"])}
    return [name for name in names if name not in existing]


def existing_schemas(connection: psycopg.Connection) -> list[str]:
    """Return those of our schemas that exist in the database."""
    rows = connection.execute(QUERIES["select_existing_schemas"], [list(SCHEMAS)])
    return [name for (name,) in rows]


def existing_tables(connection: psycopg.Connection, schemas: Sequence[str]) -> list[str]:
    """Return the tables that exist in these schemas, as `schema.table`."""
    rows = connection.execute(QUERIES["select_tables"], [list(schemas)])
    return [name for (name,) in rows]


def is_restore_unfinished(connection: psycopg.Connection) -> bool:
    """Return whether a restore was started here and did not finish.

    What such a restore left may be replaced.
    """
    return _schema_exists(connection, UNFINISHED_SCHEMA)


def is_restore_unverified(connection: psycopg.Connection) -> bool:
    """Return whether a restore is complete here, and its digests were not yet verified."""
    return _schema_exists(connection, UNVERIFIED_SCHEMA)


def mark_restore_verified(connection: psycopg.Connection) -> None:
    """Remove the mark of a restore that is not verified."""
    statement = sql.SQL("DROP SCHEMA IF EXISTS {}")
    connection.execute(statement.format(sql.Identifier(UNVERIFIED_SCHEMA)))


def _schema_exists(connection: psycopg.Connection, name: str) -> bool:
    row = connection.execute(QUERIES["select_schema_exists"], [name]).fetchone()
    return bool(row and row[0])


def mark_restore_unfinished(connection: psycopg.Connection) -> None:
    """Mark that a restore is not complete.

    The transaction that restores our database changes this mark with MARK_RESTORED_SQL.
    """
    connection.execute(
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(UNFINISHED_SCHEMA))
    )


def row_count_checks_sql(counts: Mapping[str, int]) -> str:
    """Return the SQL that fails unless every table has the given number of rows."""
    checks = [_make_check(table, row_count) for table, row_count in sorted(counts.items())]
    return "\n".join(checks)


def _make_check(table: str, row_count: int) -> str:
    # Both texts are quoted by psycopg.
    identifier = sql.Identifier(*table.split(".", 1)).as_string()
    literal = sql.Literal(table).as_string()
    message = "'the number of rows in % is % now, but the backup recorded %'"
    return (
        f"DO $check$ DECLARE found bigint :="  # noqa: S608
        f" (SELECT count(*) FROM {identifier}); BEGIN"
        f" IF found <> {row_count} THEN"
        f" RAISE EXCEPTION {message}, {literal}, found, {row_count}; END IF; END $check$;"
    )
