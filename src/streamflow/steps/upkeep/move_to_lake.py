"""to-lake: move frozen rows that PostgreSQL still keeps into the lake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from streamflow.errors import SettingsInvalid
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.data.frozen_reading import ROW_DIGEST
from streamflow.steps.data.lake_cleaning import clean_lake
from streamflow.steps.data.lake_writing import record_in_lake, write_rows
from streamflow.steps.data.loaded_rows import hold_loaded_rows
from streamflow.warehouse import frozen, lake_revisions
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class MoveReceipt(Receipt):
    """How many revisions and rows were moved, and where they lie now."""

    lake: str
    revisions: int
    rows: int


def move_to_lake(platform: Platform) -> MoveReceipt:
    """Write every revision into the lake that has rows in PostgreSQL only.

    Each revision is a transaction. If the command is interrupted, the next one goes on.

    Raises:
        SettingsInvalid: the setting lake is not set.
        SnapshotDamaged: the rows of a revision are not the recorded ones.
        LakeUnavailable: the lake cannot be written.
    """
    if not platform.settings.lake:
        raise SettingsInvalid("setting 'lake': no lake is named", remedy="Name a folder or s3://….")
    hold_loaded_rows(platform)
    moved = [
        revision.rows
        for revision in frozen.all_revisions(platform.connection)
        if revision.rows and _move(platform, revision)
    ]
    clean_lake(platform)
    return MoveReceipt(lake=platform.settings.lake, revisions=len(moved), rows=sum(moved))


def _move(platform: Platform, listed: Revision) -> bool:
    """Write one revision into the lake, unless it is there. Return whether it was moved."""
    connection = platform.connection
    with connection.transaction():
        frozen.lock_for_writing(connection)
        # `forget` or `prune` may have changed it since the revisions were listed.
        revision = frozen.revisions_by_key(connection).get(listed.revision_key)
        in_lake = lake_revisions.revisions_in_lake(connection)
        if revision is None or revision.revision_key in in_lake:
            return False
        platform.notify(f"moving {revision.table} of {revision.as_of:%Y-%m-%d} into the lake")
        digest = frozen.stored_digest(connection, revision)
        names = [column.name for column in digest.columns]
        rows = _read_rows(platform, revision, names)
        written = write_rows(platform, revision.revision_key, digest, rows)
        record_in_lake(platform, [written])
    return True


def _read_rows(platform: Platform, revision: Revision, names: list[str]) -> Iterator[pl.DataFrame]:
    """Read the rows of a revision in PostgreSQL with the digest of each."""
    return frozen.frozen_rows(
        platform.address,
        revision.table,
        dict.fromkeys([*names, ROW_DIGEST], ""),
        platform.catalog.entity.key,
        revision.as_of,
        revision.revision,
    )
