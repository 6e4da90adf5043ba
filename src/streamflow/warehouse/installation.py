"""What a database was last migrated to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from streamflow.database import Address, connect, is_absent_database
from streamflow.errors import DatabaseUnavailable, NotMigrated
from streamflow.warehouse import whole_database


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The state that the last `migrate` left."""

    schema_version: str
    catalog_digest: str
    repository_digest: str


def state(address: Address) -> Installation | None:
    """What was migrated; None when this database holds nothing of ours, or does not exist yet.

    Raises NotMigrated after a restore that was interrupted.
    """
    try:
        with connect(address, autocommit=True) as connection:
            return _read(connection)
    except DatabaseUnavailable as exc:
        if is_absent_database(exc):
            return None
        raise


def _read(connection: psycopg.Connection) -> Installation | None:
    if whole_database.is_unfinished(connection):
        raise NotMigrated(
            "a restore began here and did not come to its end",
            remedy="Run 'streamflow restore FILE' again: it starts over, and removes what is half there.",
        )
    if (connection.execute("SELECT to_regclass('streamflow.installation')").fetchone() or (None,))[
        0
    ] is None:
        return None
    row = connection.execute(
        "SELECT (SELECT version_num FROM streamflow.alembic_version), catalog_digest, repository_digest"
        " FROM streamflow.installation"
    ).fetchone()
    return (
        Installation(schema_version=row[0], catalog_digest=row[1], repository_digest=row[2])
        if row
        else None
    )


def record(connection: psycopg.Connection, *, catalog_digest: str, repository_digest: str) -> None:
    """Enter what the database has just been migrated to."""
    connection.execute(
        "INSERT INTO streamflow.installation (catalog_digest, repository_digest) VALUES (%s, %s)"
        " ON CONFLICT (singleton) DO UPDATE SET catalog_digest = excluded.catalog_digest,"
        " repository_digest = excluded.repository_digest, migrated_at = clock_timestamp()",
        [catalog_digest, repository_digest],
    )


def services(connection: psycopg.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every feature service that was ever defined here -> its features, in order."""
    rows = connection.execute(
        "SELECT name, features FROM streamflow.feature_service ORDER BY created_at, name"
    )
    return dict(rows.fetchall())


def add_service(
    connection: psycopg.Connection, name: str, features: Sequence[Mapping[str, object]]
) -> None:
    """Enter a feature service; one that is known stays as it is."""
    connection.execute(
        "INSERT INTO streamflow.feature_service (name, features) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
        [name, json.dumps(list(features))],
    )
