"""Change the database so that it has all tables that the code and the catalog need.

This runs as the user that logs in, before the role of the writer is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from streamflow.catalog import Catalog
from streamflow.database import Address, connect
from streamflow.database.locks import MIGRATION, hold_lock
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable, PermissionMissing
from streamflow.warehouse.expression_checks import check_expressions
from streamflow.warehouse.roles import (
    API,
    CONSOLE,
    EXPRESSIONS,
    WRITER,
    ensure_roles,
    has_role,
    missing_roles_sql,
)
from streamflow.warehouse.tables import plan_tables

QUERIES = load_queries(__file__, "migrate.sql")

# Lets the API and the console read all tables in `public` that the writer owns, today and later.
# It is composed of names that this package defines.
READ_BY_SERVICES = f"""
ALTER DEFAULT PRIVILEGES FOR ROLE {WRITER} IN SCHEMA public
    GRANT SELECT ON TABLES TO {API}, {CONSOLE};
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tableowner = '{WRITER}' LOOP
        EXECUTE format('GRANT SELECT ON public.%I TO {API}, {CONSOLE}', one.tablename);
    END LOOP;
END $$;
"""  # noqa: S608


def plan_changes(address: Address, catalog: Catalog) -> list[str]:
    """Return what `migrate` would change, one description for each step; change nothing.

    The expressions of the catalog are checked if the role exists that checks them.
    """
    with connect(address, autocommit=True) as connection:
        steps = [statement.splitlines()[0] for statement in missing_roles_sql(connection)]
        with _connect_sqlalchemy(address) as fixed_tables:
            steps += [f"fixed tables {name}" for name in _find_pending(fixed_tables)]
        if has_role(connection, EXPRESSIONS):
            check_expressions(connection, catalog)
        return steps + [change.description for change in plan_tables(connection, catalog)]


def migrate_tables(address: Address, catalog: Catalog) -> list[str]:
    """Migrate the database and return what was changed. A second call changes nothing.

    Raises:
        PermissionMissing: roles may not be created; the error holds the SQL.
        CatalogInvalid: a column of the catalog changed its type, or an expression is wrong.
    """
    with connect(address, autocommit=True) as connection:
        check_encoding(connection)
        changes = missing_roles_sql(connection)
        ensure_roles(connection)
        with translate_permission_errors(address):
            connection.execute(QUERIES["create_schema"])
            with _connect_sqlalchemy(address) as fixed_tables:
                changes += [f"fixed tables {name}" for name in _find_pending(fixed_tables)]
                command.upgrade(_make_config(fixed_tables), "head")
            check_expressions(connection, catalog)
            with connection.transaction():
                for change in plan_tables(connection, catalog):
                    connection.execute(change.statement)
                    changes.append(change.description)
        return changes


@contextmanager
def lock_migration(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every other migration or restore of this database waiting during the block.

    This covers the tables of MLflow and Feast too.
    """
    with hold_lock(connection, MIGRATION):
        yield


def grant_database(address: Address, name: str) -> None:
    """Let the writer create tables in MLflow's database, and let API and console read them."""
    with (
        connect(address.with_database(name), autocommit=True) as connection,
        translate_permission_errors(address),
    ):
        statement = sql.SQL(
            "GRANT CREATE, CONNECT ON DATABASE {} TO {}; GRANT CREATE, USAGE ON SCHEMA public TO {}"
        )
        role = sql.Identifier(WRITER)
        connection.execute(statement.format(sql.Identifier(name), role, role))
        connection.execute(READ_BY_SERVICES)


def check_encoding(connection: psycopg.Connection) -> None:
    """Raise DatabaseUnavailable unless the encoding of the database is UTF8."""
    row = connection.execute(QUERIES["show_encoding"]).fetchone()
    encoding = row[0] if row else None
    if encoding != "UTF8":
        raise DatabaseUnavailable(
            f"the database '{connection.info.dbname}' has the encoding {encoding},"
            " but streamflow needs UTF8",
            remedy=(
                "Create a database with ENCODING 'UTF8' and name it in STREAMFLOW_DATABASE_URL."
            ),
        )


@contextmanager
def translate_permission_errors(address: Address) -> Iterator[None]:
    """Raise PermissionMissing, with the SQL that helps, if the user may not do what it tries."""
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, ProgrammingError) as exc:
        cause = exc.orig if isinstance(exc, ProgrammingError) else exc
        if not isinstance(cause, psycopg.errors.InsufficientPrivilege):
            raise
        grant = f'GRANT CREATE ON DATABASE "{address.database}" TO "{address.user}";'
        raise PermissionMissing(
            f"{cause}\nstreamflow needs a database user that may do this, for example after"
            f" this statement:\n{grant}",
            sql=grant,
        ) from exc


@contextmanager
def _connect_sqlalchemy(address: Address) -> Iterator[Connection]:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(address.conninfo()),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        yield connection


def _make_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _find_pending(connection: Connection) -> list[str]:
    """Return the migrations of the fixed tables that this database still needs, in order."""
    context = MigrationContext.configure(connection, opts={"version_table_schema": "streamflow"})
    current = context.get_current_revision() or "base"
    connection.rollback()
    scripts = ScriptDirectory.from_config(_make_config(connection))
    newest_first = [
        f"{script.revision}: {script.doc}" for script in scripts.iterate_revisions("head", current)
    ]
    return newest_first[::-1]
