"""Bring the database to what the code and the catalog ask for. Runs as the login user, before the writer role is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from streamflow.catalog import Catalog
from streamflow.database import Address, connect
from streamflow.errors import DatabaseUnavailable, PermissionMissing
from streamflow.warehouse.locks import held
from streamflow.warehouse.roles import API, WRITER, ensure_roles, missing_roles_sql
from streamflow.warehouse.tables import plan_tables

READ_BY_API = f"""
ALTER DEFAULT PRIVILEGES FOR ROLE {WRITER} IN SCHEMA public GRANT SELECT ON TABLES TO {API};
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = '{WRITER}' LOOP
        EXECUTE format('GRANT SELECT ON public.%I TO {API}', one.tablename);
    END LOOP;
END $$;
"""  # names of our own
LOCK = 7_590_001  # advisory lock: one migration or restore at a time


def plan_changes(address: Address, catalog: Catalog) -> list[str]:
    """What `migrate` would do, in words; changes nothing."""
    with connect(address, autocommit=True) as connection:
        steps = [statement.splitlines()[0] for statement in missing_roles_sql(connection)]
        with _sqlalchemy(address) as fixed:
            pending = _pending(fixed)
        steps += [f"fixed tables {name}" for name in pending]
        return steps + [change.description for change in plan_tables(connection, catalog)]


def migrate_tables(address: Address, catalog: Catalog) -> list[str]:
    """Do it, and say what was done; doing it again changes nothing.

    Raises PermissionMissing with the SQL where roles may not be created, CatalogInvalid where a column changed its type.
    """
    with connect(address, autocommit=True) as connection:
        check_encoding(connection)
        done = missing_roles_sql(connection)
        ensure_roles(connection)
        with permissions(address):
            connection.execute("CREATE SCHEMA IF NOT EXISTS streamflow")
            with _sqlalchemy(address) as fixed:
                done += [f"fixed tables {name}" for name in _pending(fixed)]
                command.upgrade(_config(fixed), "head")
            with connection.transaction():
                for change in plan_tables(connection, catalog):
                    connection.execute(change.statement)
                    done.append(change.description)
        return done


@contextmanager
def alone(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every other migration or restore of this database waiting, MLflow's and Feast's part included."""
    with held(connection, LOCK):
        yield


def grant_database(address: Address, name: str) -> None:
    """Let the writer create what it needs in the database `name`, which other tools own (MLflow), and the API read that."""
    from psycopg import sql

    with connect(address.with_database(name), autocommit=True) as connection, permissions(address):
        statement = sql.SQL(
            "GRANT CREATE, CONNECT ON DATABASE {} TO {}; GRANT CREATE, USAGE ON SCHEMA public TO {}"
        )
        role = sql.Identifier(WRITER)
        connection.execute(statement.format(sql.Identifier(name), role, role))
        connection.execute(READ_BY_API)


def check_encoding(connection: psycopg.Connection) -> None:
    """Raise DatabaseUnavailable unless the database is UTF8."""
    row = connection.execute("SHOW server_encoding").fetchone()
    if row is None or row[0] != "UTF8":
        raise DatabaseUnavailable(
            f"the database '{connection.info.dbname}' has the encoding {row and row[0]}, streamflow needs UTF8",
            remedy="Create a database with ENCODING 'UTF8' and name it in STREAMFLOW_DATABASE_URL.",
        )


@contextmanager
def permissions(address: Address) -> Iterator[None]:
    """Raise PermissionMissing with the SQL for what the login user may not do."""
    from sqlalchemy.exc import ProgrammingError

    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, ProgrammingError) as exc:
        cause = exc.orig if isinstance(exc, ProgrammingError) else exc
        if not isinstance(cause, psycopg.errors.InsufficientPrivilege):
            raise
        text = f'GRANT CREATE ON DATABASE "{address.database}" TO "{address.user}";'
        raise PermissionMissing(
            f"{cause}\nA database user that may is needed, for example after\n{text}", sql=text
        ) from exc


@contextmanager
def _sqlalchemy(address: Address) -> Iterator[Connection]:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(address.conninfo()),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        yield connection


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _pending(connection: Connection) -> list[str]:
    """The migrations of the fixed tables that this database has not had."""
    context = MigrationContext.configure(connection, opts={"version_table_schema": "streamflow"})
    at = context.get_current_revision()
    connection.rollback()
    scripts = ScriptDirectory.from_config(_config(connection))
    pending = [f"{s.revision}: {s.doc}" for s in scripts.iterate_revisions("head", at or "base")]
    return pending[::-1]
