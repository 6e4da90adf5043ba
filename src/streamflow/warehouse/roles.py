"""The six roles of streamflow in PostgreSQL.

Every command of ours works as the writer, which is not a superuser. The API has fewer rights than
the writer.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from streamflow.database.sql_files import load_queries
from streamflow.errors import PermissionMissing

QUERIES = load_queries(__file__, "roles.sql")

# The newest script in migrations/versions.
SCHEMA_VERSION = "0021"

# The role of every command.
WRITER = "streamflow_writer"
# The only role that may change frozen rows. `prune` and `forget` take it.
MAINTENANCE = "streamflow_maintenance"
# The role of `serve`. It reads what an answer needs and appends to the prediction log.
API = "streamflow_api"
# The role of `console`. It reads everything that a page shows, and can write nothing.
CONSOLE = "streamflow_console"
# The role of the dashboards. Grant it to the user that Grafana logs in as.
READER = "streamflow_reader"
# The role that `migrate` takes to check the expressions of a catalog. It has no right of its own.
EXPRESSIONS = "streamflow_expressions"


def has_role(connection: psycopg.Connection, role: str) -> bool:
    """Return whether the role exists and the user that logs in is a member of it."""
    row = connection.execute(QUERIES["select_is_member"], [role]).fetchone()
    return bool(row and row[0])


def missing_roles_sql(connection: psycopg.Connection) -> list[str]:
    """Return the SQL that an administrator has to run before `migrate`.

    Returns:
        one statement for each role or membership that is missing.
    """
    statements = []
    for role in (WRITER, MAINTENANCE, API, CONSOLE, EXPRESSIONS):
        row = connection.execute(QUERIES["select_is_member"], [role]).fetchone()
        if row is None:
            statements.append(f"CREATE ROLE {role} NOLOGIN")
        if row is None or not row[0]:
            grant = sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role))
            statements.append(grant.as_string(connection))
    row = connection.execute(QUERIES["select_is_member_of_role"], [MAINTENANCE, WRITER]).fetchone()
    if row is None or not row[0]:
        statements.append(f"GRANT {WRITER} TO {MAINTENANCE}")
    if connection.execute(QUERIES["select_role"], [READER]).fetchone() is None:
        statements.append(f"CREATE ROLE {READER} NOLOGIN")
    return statements


def ensure_roles(connection: psycopg.Connection) -> None:
    """Create the roles and memberships that are missing.

    Raises:
        PermissionMissing: the user may not create roles; the error holds the SQL.
    """
    statements = missing_roles_sql(connection)
    for statement in statements:
        try:
            with connection.transaction():
                connection.execute(statement)
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            # A different process created the role a moment before us.
            continue
        except psycopg.errors.InsufficientPrivilege as exc:
            user = connection.info.user
            text = ";\n".join(statements).replace("CURRENT_USER", f'"{user}"') + ";"
            raise PermissionMissing(
                f"the database user '{user}' may not create roles."
                f" An administrator must run this SQL:\n{text}",
                sql=text,
            ) from exc
