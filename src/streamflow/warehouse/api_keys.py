"""The keys of the API in the database. The secret of a key is never stored.

A revoked key stays in the table as a record.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg.rows import class_row

from streamflow.core.serving.api_keys import ApiKey, NewKey, Scope
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "api_keys.sql")


def api_keys(connection: psycopg.Connection) -> list[ApiKey]:
    """Read every key that was ever made, the oldest first."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(QUERIES["select_api_keys"]).fetchall()


def add_api_key(
    connection: psycopg.Connection,
    new: NewKey,
    *,
    name: str,
    scope: Scope,
    expires: datetime | None,
) -> ApiKey:
    """Store a new key and return it as it is stored."""
    values = {
        "id": new.id,
        "name": name,
        "scope": scope,
        "digest": new.digest,
        "expires": expires,
    }
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        key = cursor.execute(QUERIES["insert_api_key"], values).fetchone()
    assert key is not None
    return key


def revoke_api_keys(connection: psycopg.Connection, id_or_name: str) -> list[ApiKey]:
    """Revoke the key with this id and all keys with this name.

    Returns:
        the keys that this call revoked. Keys that were revoked before are not among them.
    """
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(QUERIES["revoke_api_keys"], {"id_or_name": id_or_name}).fetchall()
