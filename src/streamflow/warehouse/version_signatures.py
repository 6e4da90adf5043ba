"""The signatures of versions. The table is append-only."""

from __future__ import annotations

import psycopg
from psycopg.rows import class_row

from streamflow.core.versions.version_signature import SignedContent, VersionSignature
from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "version_signatures.sql")


def add_signature(
    connection: psycopg.Connection, content: SignedContent, signature: VersionSignature
) -> None:
    """Store a signature, if the version has none by this key."""
    connection.execute(QUERIES["insert_signature"], {**vars(content), **vars(signature)})


def read_signatures(
    connection: psycopg.Connection, content: SignedContent
) -> list[VersionSignature]:
    """Read the signatures of a version."""
    with connection.cursor(row_factory=class_row(VersionSignature)) as cursor:
        return cursor.execute(QUERIES["select_signatures"], vars(content)).fetchall()
