"""The keys of the API in the database: never a secret, and a revoked one stays as a record."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg.rows import class_row

from streamflow.core.serving.api_keys import ApiKey, NewKey, Scope


def api_keys(connection: psycopg.Connection) -> list[ApiKey]:
    """Every key that was ever made, in the order of its making."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(
            "SELECT id, name, scope, digest, created, expires, revoked FROM streamflow.api_key ORDER BY created, id"
        ).fetchall()


def add_api_key(
    connection: psycopg.Connection,
    new: NewKey,
    *,
    name: str,
    scope: Scope,
    expires: datetime | None,
) -> ApiKey:
    """Keep a new key."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        kept = cursor.execute(
            "INSERT INTO streamflow.api_key (id, name, scope, digest, expires) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING id, name, scope, digest, created, expires, revoked",
            [new.id, name, scope, new.digest, expires],
        ).fetchone()
    assert kept is not None
    return kept


def revoke_api_keys(connection: psycopg.Connection, called: str) -> list[ApiKey]:
    """Revoke the key of this id, and all of this name; those that were in force until now."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(
            "UPDATE streamflow.api_key SET revoked = clock_timestamp() WHERE %(called)s IN (id, name) AND revoked IS NULL"
            " RETURNING id, name, scope, digest, created, expires, revoked",
            {"called": called},
        ).fetchall()
