"""Remove from the lake what no revision needs: see `lake/unreferenced_files.py`."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from streamflow.lake.revision_name import tag_of
from streamflow.platform import Platform
from streamflow.steps.data.loaded_rows import hold_loaded_rows
from streamflow.warehouse import frozen, lake_revisions


def clean_lake(platform: Platform) -> int:
    """Remove the files of the lake that no revision needs, and loaded copies that are left.

    Call it after the commit of what made them unneeded. If it is interrupted, the next call
    removes the rest.

    Returns:
        how many files were removed.
    """
    if not lake_revisions.has_lake_tables(platform.connection):
        return 0
    hold_loaded_rows(platform)  # when the platform is closed, the copies go
    with platform.maintenance_connection() as connection:
        frozen.lock_for_writing(connection)
        return platform.lake.remove_unreferenced(_find_kept(connection))


def count_unneeded_files(platform: Platform) -> int:
    """Count the files that `clean_lake` would remove."""
    with platform.maintenance_connection() as connection:
        frozen.lock_for_writing(connection)
        return platform.lake.count_unreferenced(_find_kept(connection))


def _find_kept(connection: psycopg.Connection) -> Mapping[str, Mapping[int, str]]:
    """Return table -> the snapshots that revisions name, by id, each with its tag."""
    snapshots: dict[str, dict[int, str]] = {}
    for revision in lake_revisions.revisions_in_lake(connection).values():
        tag = tag_of(revision.as_of, revision.revision)
        snapshots.setdefault(revision.table, {})[revision.snapshot_id] = tag
    return snapshots
