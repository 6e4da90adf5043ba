"""The state to which a database was last migrated, and its feature services."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from streamflow.database import Address, connect, is_absent_database
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable, NotMigrated
from streamflow.warehouse import whole_database

QUERIES = load_queries(__file__, "installation.sql")


@dataclass(frozen=True, kw_only=True)
class MigratedState:
    """The state that the last `migrate` left."""

    schema_version: str
    catalog_digest: str
    repository_digest: str


def read_installation(address: Address) -> MigratedState | None:
    """Read to which state a database was migrated.

    Returns:
        None when this database holds nothing of streamflow, or does not exist yet.

    Raises:
        NotMigrated: a restore was interrupted before its end, or before it was verified.
    """
    try:
        with connect(address, autocommit=True) as connection:
            return _read_installation(connection)
    except DatabaseUnavailable as exc:
        if is_absent_database(exc):
            return None
        raise


def _read_installation(connection: psycopg.Connection) -> MigratedState | None:
    if whole_database.is_restore_unfinished(connection):
        raise NotMigrated(
            "a restore into this database was started and did not finish",
            remedy=(
                "Run 'streamflow restore FILE' again: it starts from the beginning and replaces"
                " what the first attempt left."
            ),
        )
    if whole_database.is_restore_unverified(connection):
        raise NotMigrated(
            "a backup was restored into this database, and it was not verified",
            remedy="Run 'streamflow restore FILE' again with the same file: it verifies what was"
            " restored.",
        )
    table = connection.execute(QUERIES["select_installation_table"]).fetchone()
    if table is None or table[0] is None:
        return None
    row = connection.execute(QUERIES["select_installation"]).fetchone()
    if row is None:
        return None
    schema_version, catalog_digest, repository_digest = row
    return MigratedState(
        schema_version=schema_version,
        catalog_digest=catalog_digest,
        repository_digest=repository_digest,
    )


def record_installation(
    connection: psycopg.Connection,
    *,
    catalog_digest: str,
    repository_digest: str,
) -> None:
    """Record the state to which the database has just been migrated."""
    connection.execute(QUERIES["upsert_installation"], [catalog_digest, repository_digest])


def feature_services(connection: psycopg.Connection) -> dict[str, list[dict[str, Any]]]:
    """Read every feature service that was ever defined here.

    Returns:
        name of the service -> its features in their order; the oldest service first.
    """
    rows = connection.execute(QUERIES["select_feature_services"])
    return dict(rows.fetchall())


def add_feature_service(
    connection: psycopg.Connection,
    name: str,
    features: Sequence[Mapping[str, object]],
) -> None:
    """Record a feature service; a service that exists already stays as it is."""
    connection.execute(QUERIES["insert_feature_service"], [name, json.dumps(list(features))])
