"""forget: erase all values of one key, and leave tombstones that explain the changed digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from streamflow.core.data.digest import BUCKET, Digester, TableDigest
from streamflow.errors import EntityUnknown, SnapshotDamaged, StreamflowError
from streamflow.files.scratch_folders import remove_abandoned_folders
from streamflow.platform import Platform
from streamflow.steps.data.frozen_checks import describe_digest_difference
from streamflow.steps.data.frozen_reading import read_frames, require_order
from streamflow.steps.data.lake_cleaning import clean_lake
from streamflow.steps.data.lake_writing import erase_in_lake, find_in_lake
from streamflow.steps.observed import observed
from streamflow.steps.stages.requester import COMMAND_LINE, Requester
from streamflow.warehouse import erasures, frozen, lake_revisions
from streamflow.warehouse.erasures import ErasedRevision
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class ForgetReceipt:
    """What was erased: the live rows per table, and the revisions.

    already   the key was forgotten before, and nothing holds it now
    """

    rows: Mapping[str, int]
    erased: tuple[ErasedRevision, ...]
    already: bool = False


@observed("forget")
def forget(
    platform: Platform,
    key: str,
    *,
    why: str,
    requester: Requester = COMMAND_LINE,
) -> ForgetReceipt:
    """Erase a key everywhere, in one transaction.

    The key is erased from the raw and frozen rows, the lake, the online store, the rejects, the
    prediction log and the scores. Every revision that holds the key is verified first. Copies of
    drops that a killed command left in the state folder are removed.

    A command that works at the same time either ends before, and what it wrote is erased, or it
    looks the tombstones up after this has ended.

    Raises:
        SnapshotDamaged: a revision is not what was frozen.
        EntityUnknown: nothing holds the key, and nobody asked to forget it before. In both cases
            nothing is erased, but for the copies.
        StreamflowError: a copy cannot be removed.
        LakeUnavailable: the place of the lake cannot be reached. `state` says what was erased.
    """
    remaining_copies = remove_abandoned_folders(platform.home / "tmp")
    receipt = _forget(platform, key, why=why, requester=requester)
    try:
        clean_lake(platform)
    except StreamflowError as error:
        error.state = "The key was erased, but files of the lake may still hold it."
        error.remedy = "Remove the cause, then run 'streamflow forget' again: it removes the files."
        raise
    _refuse_remaining_copies(remaining_copies)
    return receipt


def _refuse_remaining_copies(folders: Sequence[Path]) -> None:
    """Raise StreamflowError if copies of drops could not be removed."""
    if folders:
        names = ", ".join(str(folder) for folder in folders)
        raise StreamflowError(
            f"{names}: a copy of a drop, left by a command that was killed, cannot be removed",
            state="The key was erased everywhere else. The copy may hold its values.",
            remedy="Delete the copy.",
        )


def _forget(platform: Platform, key: str, *, why: str, requester: Requester) -> ForgetReceipt:
    key_name = platform.catalog.entity.key
    with platform.maintenance_connection() as connection:
        frozen.lock_for_writing(connection)
        since = erasures.wait_for_answers(connection)
        revisions = frozen.revisions_by_key(connection)
        revision_keys = erasures.find_revisions_with_key(connection, key_name, key)
        in_lake = lake_revisions.revisions_in_lake(connection)
        unloaded = lake_revisions.unloaded_revisions(connection).values()
        revision_keys += find_in_lake(platform, unloaded, key)
        erased = []
        for revision_key in revision_keys:
            revision = revisions[revision_key]
            remaining = _digest_without(platform, revision, key_name, key)
            if revision_key in in_lake:
                erase_in_lake(platform, connection, in_lake[revision_key], key, remaining)
            erasures.erase_frozen(connection, key_name, key, revision, remaining)
            erased.append(_erasure(revision, remaining))
        rows = erasures.erase_stored(connection, key_name, key)
        rows += erasures.erase_live(connection, key_name, key, since)
        if not rows and not erased:
            if erasures.is_forgotten(connection, key):
                return ForgetReceipt(rows={}, erased=(), already=True)
            raise EntityUnknown(
                f"{key_name} {key!r}: no table has a row of it", remedy="Check the key."
            )
        who = requester.name
        erasures.record_erasures(connection, key=key, who=who, why=why, erased=erased)
    return ForgetReceipt(rows=rows, erased=tuple(erased))


def _erasure(revision: Revision, remaining: TableDigest) -> ErasedRevision:
    """Return the tombstone entry of a revision: its digest before and after."""
    return ErasedRevision(
        table=revision.table,
        as_of=revision.as_of,
        revision=revision.revision,
        old_digest=revision.digest,
        new_digest=remaining.value,
    )


def _digest_without(platform: Platform, revision: Revision, key_name: str, key: str) -> TableDigest:
    """Return the digest of a revision's rows without the key, and verify the revision meanwhile.

    Raises:
        SnapshotDamaged: the rows of the revision do not have the recorded digest.
    """
    platform.notify(
        f"verifying {revision.table} of {revision.as_of:%Y-%m-%d}, revision {revision.revision}"
    )
    recorded = frozen.stored_digest(platform.connection, revision)
    types = {column.name: column.type for column in recorded.columns}
    full_digester = Digester(key_name, types)
    remaining_digester = Digester(key_name, types)
    for rows in read_frames(
        platform, revision.table, types, key_name, revision.as_of, revision.revision
    ):
        with require_order(revision.revision_key, state="Nothing was erased."):
            full_digester.update(rows, rows[BUCKET])
        remaining_rows = rows.filter(pl.col(key_name).cast(pl.String) != key)
        remaining_digester.update(remaining_rows, remaining_rows[BUCKET])
    damage = describe_digest_difference(revision, full_digester.finish(), recorded)
    if damage:
        raise SnapshotDamaged(damage, state="Nothing was erased.")
    return remaining_digester.finish()
