"""The four roles of streamflow. Every command of ours works as the writer, which is not a superuser; the API as less than that."""

from __future__ import annotations

import psycopg
from psycopg import sql

from streamflow.errors import PermissionMissing

SCHEMA_VERSION = "0012"  # the newest script in migrations/versions

WRITER = "streamflow_writer"
MAINTENANCE = "streamflow_maintenance"  # the only one that may change frozen rows: `prune` and `forget` take it
API = (
    "streamflow_api"  # of `serve`: it reads what an answer needs and appends to the prediction log
)
READER = "streamflow_reader"  # of the dashboards: grant it to the user that Grafana logs in as


def missing_roles_sql(connection: psycopg.Connection) -> list[str]:
    """The SQL that an administrator would have to run before `migrate`; empty when nothing is missing."""
    statements = []
    for role in (WRITER, MAINTENANCE, API):
        row = connection.execute(
            "SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s",
            [role],
        ).fetchone()
        if row is None:
            statements.append(f"CREATE ROLE {role} NOLOGIN")
        if row is None or not row[0]:
            statements.append(
                sql.SQL("GRANT {} TO CURRENT_USER")
                .format(sql.Identifier(role))
                .as_string(connection)
            )
    row = connection.execute(
        "SELECT pg_has_role(m.oid, w.oid, 'MEMBER') FROM pg_roles m, pg_roles w WHERE m.rolname = %s AND w.rolname = %s",
        [MAINTENANCE, WRITER],
    ).fetchone()
    if row is None or not row[0]:
        statements.append(f"GRANT {WRITER} TO {MAINTENANCE}")
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
        statements.append(f"CREATE ROLE {READER} NOLOGIN")
    return statements


def ensure_roles(connection: psycopg.Connection) -> None:
    """Create the roles where this is permitted; raises PermissionMissing with the SQL where it is not."""
    statements = missing_roles_sql(connection)
    for statement in statements:
        try:
            with connection.transaction():
                connection.execute(statement)
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            continue  # another process was faster
        except psycopg.errors.InsufficientPrivilege as exc:
            user = connection.info.user
            text = ";\n".join(statements).replace("CURRENT_USER", f'"{user}"') + ";"
            raise PermissionMissing(
                f"the database user '{user}' may not create roles. What is missing:\n{text}",
                sql=text,
            ) from exc
