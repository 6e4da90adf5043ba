"""forget: erase all values of one key, and leave tombstones that explain the changed digests."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from streamflow.core.data.digest import Digester, TableDigest
from streamflow.errors import EntityUnknown, SnapshotDamaged
from streamflow.platform import Platform
from streamflow.steps.data.revision_check import difference
from streamflow.warehouse import erasures, frozen
from streamflow.warehouse.erasures import Erased
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class ForgetReceipt:
    """What was erased: live rows per table, and the revisions. `already`: it was forgotten before, and nothing holds it."""

    rows: Mapping[str, int]
    erased: tuple[Erased, ...]
    already: bool = False


def forget(
    platform: Platform, key: str, *, why: str, notify: Callable[[str], None] = lambda _: None
) -> ForgetReceipt:
    """Erase a key from raw and frozen rows, the online store, the rejects, the prediction log and the scores: one transaction.

    Every revision that holds it is verified first. Raises SnapshotDamaged where one is not what was frozen, EntityUnknown
    where nothing holds the key and nobody asked for it before; nothing is erased then.
    """
    key_name = platform.catalog.entity.key
    with platform.maintenance() as connection:
        frozen.lock_for_writing(connection)
        revisions = {(r.table, r.as_of, r.revision): r for r in frozen.all_revisions(connection)}
        held = [revisions[place] for place in erasures.holders(connection, key_name, key)]
        erased = []
        for revision in held:
            notify(
                f"verifying {revision.table} of {revision.as_of:%Y-%m-%d}, revision {revision.revision}"
            )
            remaining = _without(platform, revision, key_name, key)
            erasures.erase_frozen(connection, key_name, key, revision, remaining)
            erased.append(
                Erased(
                    table=revision.table,
                    as_of=revision.as_of,
                    revision=revision.revision,
                    old_digest=revision.digest,
                    new_digest=remaining.value,
                )
            )
        rows = erasures.erase_live(connection, key_name, key)
        if not rows and not erased:
            if erasures.is_forgotten(connection, key):
                return ForgetReceipt(rows={}, erased=(), already=True)
            raise EntityUnknown(f"{key_name} {key!r}: nothing holds it", remedy="Check the key.")
        erasures.enter(connection, key=key, who=getpass.getuser(), why=why, erased=erased)
    return ForgetReceipt(rows=rows, erased=tuple(erased))


def _without(platform: Platform, revision: Revision, key_name: str, key: str) -> TableDigest:
    """The digest of what remains of a revision without the key; the revision itself is verified on the way."""
    recorded = frozen.stored_digest(platform.connection, revision)
    types = {column.name: column.type for column in recorded.columns}
    whole, rest = Digester(key_name, types), Digester(key_name, types)
    for chunk in frozen.frozen_rows(
        platform.address, revision.table, types, key_name, revision.as_of, revision.revision
    ):
        whole.update(chunk)
        rest.update(chunk.filter(pl.col(key_name).cast(pl.String) != key))
    if words := difference(revision, whole.finish().value):
        raise SnapshotDamaged(words, state="Nothing was erased.")
    return rest.finish()
