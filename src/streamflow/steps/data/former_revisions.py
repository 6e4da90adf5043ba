"""What a snapshot reads before it freezes: the delivered files and the revisions before."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime

import psycopg

from streamflow.database.known_at import current_known_at
from streamflow.errors import SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.data.loaded_rows import hold_loaded_rows, load, require_loaded
from streamflow.warehouse import drops, frozen, lake_revisions
from streamflow.warehouse.derived import DropToFreeze
from streamflow.warehouse.drops import DeliveredFile
from streamflow.warehouse.frozen import Revision, RevisionKey


def load_former_revisions(platform: Platform, as_of: datetime) -> None:
    """Load from the lake what the drop is compared with, and what its computed columns read."""
    if platform.settings.lake:
        hold_loaded_rows(platform)
    load(platform, _former_revisions(platform, as_of))


def require_former_revisions(platform: Platform, as_of: datetime) -> None:
    """Raise SnapshotMissing when `load_former_revisions` did not load all that is read now."""
    require_loaded(platform, _former_revisions(platform, as_of), "Nothing was frozen.")


def _former_revisions(platform: Platform, as_of: datetime) -> list[RevisionKey]:
    """Return the newest revisions of the drop and of the drop before; none without a lake."""
    if not lake_revisions.revisions_in_lake(platform.connection):
        return []
    newest = newest_revisions(platform.connection, as_of)
    keys = [revision.revision_key for revision in newest.values()]
    for table, drop in find_drops(platform, as_of, platform.catalog.frozen_tables).items():
        if drop.previous_revision is not None:
            keys.append((table, *drop.previous_revision))
    return keys


def find_drops(
    platform: Platform,
    as_of: datetime,
    tables: Container[str],
) -> dict[str, DropToFreeze]:
    """Return for each frozen table of the catalog that is in `tables` what is frozen of a drop."""
    catalog = platform.catalog
    return {
        table: frozen.find_drop(platform.connection, catalog, table, as_of)
        for table in catalog.frozen_tables
        if table in tables
    }


def count_rows(
    table_drops: Mapping[str, DropToFreeze],
    files: Mapping[str, DeliveredFile],
) -> int:
    """Return the number of delivered rows that the tables are computed from."""
    row_count = 0
    for table, drop in table_drops.items():
        file = files[drop.population or table]
        row_count += file.rows
    return row_count


def delivered_files(
    connection: psycopg.Connection,
    as_of: datetime,
) -> Mapping[str, DeliveredFile]:
    """Return the delivered file of each table of a drop. Raises SnapshotMissing without a drop."""
    files = drops.delivered_files(connection, as_of).get(as_of)
    if not files:
        raise SnapshotMissing(
            f"there is no drop of {as_of:%Y-%m-%d}",
            remedy=f"Run 'streamflow ingest DIR --as-of {as_of:%Y-%m-%d}' first.",
        )
    return files


def newest_revisions(connection: psycopg.Connection, as_of: datetime) -> dict[str, Revision]:
    """Return the newest revision of each table that is frozen as of `as_of`."""
    known_at = current_known_at(connection)
    revisions = frozen.revisions(connection, known_at=known_at, first=as_of, last=as_of)
    return {revision.table: revision for revision in revisions}
