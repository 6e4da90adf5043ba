"""What no registered version needs: superseded revisions, and passports of deleted versions."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from streamflow.database.sql_files import load_queries
from streamflow.warehouse.frozen import Revision

QUERIES = load_queries(__file__, "retention.sql")


def runs_without_version(connection: psycopg.Connection, registered: Iterable[str]) -> list[str]:
    """Find the runs whose passport is recorded here but whose version is no longer registered.

    Args:
        connection: the database.
        registered: the runs of all registered versions.

    Returns:
        run ids, the oldest passport first.
    """
    rows = connection.execute(QUERIES["select_runs_without_version"], [list(registered)])
    return [run_id for (run_id,) in rows]


def superseded_revisions(
    connection: psycopg.Connection,
    deleted_runs: list[str],
    deleted_scores: list[int],
) -> list[Revision]:
    """Find the revisions that nothing needs once some passports and scores are deleted.

    Args:
        connection: the database.
        deleted_runs: the ids of the runs whose passports are deleted.
        deleted_scores: the ids of the runs of `score` that are deleted.
    """
    values = {"gone": deleted_runs, "gone_scores": deleted_scores}
    rows = connection.execute(QUERIES["select_superseded_revisions"], values)
    return [
        Revision(
            table=table,
            as_of=as_of,
            revision=number,
            known_at=known_at,
            rows=row_count,
            digest=digest,
        )
        for table, as_of, number, known_at, row_count, digest in rows
    ]


def delete_revisions(
    connection: psycopg.Connection,
    deleted_runs: list[str],
    revisions: Iterable[Revision],
) -> None:
    """Delete the passports of some runs, then revisions with their rows.

    Only the maintenance role may do this. PostgreSQL refuses to delete a revision that a remaining
    passport names.

    Args:
        connection: the database.
        deleted_runs: the ids of the runs.
        revisions: the revisions to delete.
    """
    connection.execute(QUERIES["delete_passport_sources"], [deleted_runs])
    connection.execute(QUERIES["delete_passports"], [deleted_runs])
    for revision in revisions:
        revision_key = [revision.table, revision.as_of, revision.revision]
        connection.execute(QUERIES["insert_pruned_revision"], [*revision_key, revision.known_at])
        connection.execute(QUERIES["delete_revision_columns"], revision_key)
        connection.execute(QUERIES["delete_lake_revision"], revision_key)
        connection.execute(QUERIES["delete_revision"], revision_key)
        delete_rows = sql.SQL("DELETE FROM {} WHERE as_of = %s AND revision = %s").format(
            sql.Identifier("frozen", revision.table)
        )
        connection.execute(delete_rows, [revision.as_of, revision.revision])
