"""The two databases as wholes, for a backup and a restore: what they hold, what must be there before, what comes after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from streamflow.warehouse.roles import API, MAINTENANCE, READER, WRITER

SCHEMAS = ("streamflow", "raw", "frozen", "history", "online", "feast")
WRITERS = ("online", "feast")  # the schemas that the writer owns, with all in them
MLFLOWS = ("public",)
OUR_SELECTION = [f"--schema={name}" for name in SCHEMAS]

UNFINISHED = "streamflow_restore"  # a schema that is there while a restore is not complete

OWNERSHIP = f"""
ALTER SCHEMA online OWNER TO {WRITER};
ALTER SCHEMA feast OWNER TO {WRITER};
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT relnamespace::regnamespace AS place, relname FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace::regnamespace::text IN ('online', 'feast') LOOP
        EXECUTE format('ALTER TABLE %s.%I OWNER TO {WRITER}', one.place, one.relname);
    END LOOP;
END $$;
"""  # names of our own
NOTHING_OF_MLFLOW = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user LOOP
        EXECUTE format('DROP TABLE public.%I CASCADE', one.tablename);
    END LOOP;
    FOR one IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole LOOP
        EXECUTE format('DROP ROUTINE %s CASCADE', one.name);
    END LOOP;
END $$;
"""
FINISHED = f"DROP SCHEMA {UNFINISHED} CASCADE;"


def row_counts(connection: psycopg.Connection, schemas: Sequence[str]) -> dict[str, int]:
    """Table -> rows, of every table in `schemas`; of a partitioned one its partitions."""
    counts = {}
    for schema, table in connection.execute(
        "SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY(%s)) ORDER BY 1, 2",
        [list(schemas)],
    ).fetchall():
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        ).fetchone()
        assert row is not None
        counts[f"{schema}.{table}"] = row[0]
    return counts


def mlflow_selection(connection: psycopg.Connection) -> list[str]:
    """pg_dump's options for all that MLflow has made: everything in `public` (it has functions too), but for extensions.

    Naming the schema itself would dump its creation as well, and a new database has one.
    """
    rows = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> ALL(%s)",
        [list(MLFLOWS)],
    )
    others = [f'--exclude-schema="{name}"' for (name,) in rows if name != "information_schema"]
    return ["--exclude-extension=*", "--no-publications", "--no-subscriptions", *others]


def foreign_roles(connection: psycopg.Connection, schemas: Sequence[str]) -> list[str]:
    """The roles beyond our own that have rights on these schemas and what is in them: a dump grants them again."""
    rows = connection.execute(
        "SELECT DISTINCT r.rolname::text FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid"
        " LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid"
        " JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, d.objid)"
        " WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.deptype = 'a'"
        " AND d.refclassid = 'pg_authid'::regclass AND d.classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)"
        " AND n.nspname = ANY(%s) AND r.rolname <> ALL(%s) ORDER BY 1",
        [list(schemas), [WRITER, MAINTENANCE, API, READER]],
    )
    return [name for (name,) in rows]


def missing_roles(connection: psycopg.Connection, wanted: Sequence[str]) -> list[str]:
    """Those of `wanted` that the server does not have."""
    there = {name for (name,) in connection.execute("SELECT rolname::text FROM pg_roles")}
    return [name for name in wanted if name not in there]


def schemas_there(connection: psycopg.Connection) -> list[str]:
    """Those of our schemas that exist."""
    rows = connection.execute(
        "SELECT nspname::text FROM pg_namespace WHERE nspname = ANY(%s) ORDER BY 1", [list(SCHEMAS)]
    )
    return [name for (name,) in rows]


def tables_there(connection: psycopg.Connection, schemas: Sequence[str]) -> list[str]:
    """The tables in these schemas."""
    rows = connection.execute(
        "SELECT format('%%s.%%s', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1",
        [list(schemas)],
    )
    return [name for (name,) in rows]


def is_unfinished(connection: psycopg.Connection) -> bool:
    """Whether a restore began here and did not come to its end: what it left may be replaced."""
    row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [UNFINISHED]).fetchone()
    return bool(row and row[0])


def begin(connection: psycopg.Connection) -> None:
    """From now on a restore is unfinished; the transaction that restores our database ends that."""
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(UNFINISHED)))


def expecting(counts: Mapping[str, int]) -> str:
    """The SQL that fails unless every table has the rows that it should."""
    checks = [_expecting(table, rows) for table, rows in sorted(counts.items())]
    return "\n".join(checks)


def _expecting(table: str, rows: int) -> str:
    name, words = sql.Identifier(*table.split(".", 1)).as_string(), sql.Literal(table).as_string()
    return (
        f"DO $check$ DECLARE found bigint := (SELECT count(*) FROM {name}); BEGIN IF found <> {rows} THEN"  # quoted
        f" RAISE EXCEPTION '% holds % rows, and did hold % when it was backed up', {words}, found, {rows}; END IF; END $check$;"
    )
