"""Copy rows of the lake into the frozen tables of PostgreSQL, for those who read them in SQL.

The copies are held against the digests of their revisions on the way. They are deleted when the
platform is closed, unless a different command needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import polars as pl
import psycopg

from streamflow.core.data.counts import count_of
from streamflow.core.data.digest import BUCKET, Digester
from streamflow.core.training.row_sources import DatedRevision
from streamflow.core.training.training_set import describe_revision
from streamflow.database.locks import LOADED_ROWS, session_lock_sql, session_unlock_sql
from streamflow.errors import SnapshotDamaged, SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.data.frozen_reading import list_files, read_typed, require_order
from streamflow.warehouse import frozen, lake_revisions, provenance
from streamflow.warehouse.frozen import RevisionKey
from streamflow.warehouse.lake_revisions import LakeRevision, RowsToLoad
from streamflow.warehouse.roles import MAINTENANCE

NOTHING_LOADED = "No row was loaded."


def load(platform: Platform, revision_keys: Iterable[RevisionKey]) -> None:
    """Let the rows of some revisions lie in PostgreSQL until the platform is closed.

    Rows of the lake are copied, and held against the digest of their revision. Nobody who calls
    this may hold the lock of raw and frozen rows.

    Raises:
        SnapshotDamaged: the lake does not have the recorded rows.
        LakeUnavailable: the place of the lake cannot be reached.
    """
    requested_keys = set(revision_keys)
    # Also for rows that PostgreSQL alone has: `to-lake` may move them while they are read.
    hold_loaded_rows(platform)
    unloaded = lake_revisions.unloaded_revisions(platform.connection)
    missing = [revision for key, revision in unloaded.items() if key in requested_keys]
    if missing:
        platform.notify(f"loading {count_of(len(missing), 'revision')} from the lake")
        address = platform.login.with_role(MAINTENANCE)
        lake_revisions.load_rows(address, _make_loads(platform, missing))


def hold_loaded_rows(platform: Platform) -> None:
    """Let no command delete loaded rows until the platform is closed; then delete them.

    Who takes the lock of raw and frozen rows too calls this first: see `database.locks`.
    """
    connection = platform.connection  # opened first, it is closed last
    if platform.call_before_closing("unload", partial(_unload, platform)):
        connection.execute(session_lock_sql(LOADED_ROWS, shared=True))


def require_loaded(platform: Platform, revision_keys: Iterable[RevisionKey], state: str) -> None:
    """Raise SnapshotMissing when rows lie in the lake only that `load` did not know of."""
    unloaded = lake_revisions.unloaded_revisions(platform.connection)
    for key in revision_keys:
        if key in unloaded:
            raise SnapshotMissing(
                f"{describe_revision(*key)} was frozen while the command began",
                state=state,
                remedy="Run the command again.",
            )


def read_provenance(
    platform: Platform,
    table: str,
    columns: Iterable[str],
    revisions: Sequence[DatedRevision],
    keys: pl.Series | None,
) -> pl.DataFrame:
    """Read frozen rows with their revision, as `warehouse.provenance.read_rows` does."""
    entity = platform.catalog.entity
    load(platform, [(table, revision.as_of, revision.revision) for revision in revisions])
    return provenance.read_rows(
        platform.address, table, (entity.key, entity.type), columns, revisions, keys
    )


def _make_loads(platform: Platform, missing: Sequence[LakeRevision]) -> Iterator[RowsToLoad]:
    """Yield what is to be loaded. The first use is under the lock of raw and frozen rows."""
    unloaded = lake_revisions.unloaded_revisions(platform.connection)
    for revision in missing:
        # A different command may have loaded it meanwhile, or an erasure may have changed it.
        current = unloaded.get(revision.revision_key)
        if current is not None:
            yield _make_load(platform, current)


def _make_load(platform: Platform, revision: LakeRevision) -> RowsToLoad:
    stored = frozen.revisions_by_key(platform.connection)[revision.revision_key]
    columns = frozen.stored_digest(platform.connection, stored).columns
    types = {column.name: column.type for column in columns}
    chunks = _read_verified(platform, revision, types, stored.digest)
    return RowsToLoad(revision_key=revision.revision_key, types=types, chunks=chunks)


def _read_verified(
    platform: Platform,
    revision: LakeRevision,
    types: dict[str, str],
    digest: str,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a revision of the lake, and compare them with its digest at the end."""
    name = describe_revision(*revision.revision_key)
    key = platform.catalog.entity.key
    digester = Digester(key, types)
    for frame in read_typed(platform, revision, types, key):
        with require_order(revision.revision_key, state=NOTHING_LOADED):
            digester.update(frame, frame[BUCKET])
        yield frame.drop(BUCKET)
    digest_in_lake = digester.finish().value
    if digest_in_lake != digest:
        files = ", ".join(list_files(platform, revision))
        sentence = (
            f"{name}: its rows in the lake have the digest {digest_in_lake}, recorded is {digest};"
            f" they lie in {files}"
        )
        raise SnapshotDamaged(sentence, violations=[sentence], state=NOTHING_LOADED)


def _unload(platform: Platform) -> None:
    """Delete the loaded copies, unless a different command needs them."""
    connection = platform.connection
    if connection.closed:
        return  # the server is gone; the next command that loads rows deletes them
    try:
        connection.execute(session_unlock_sql(LOADED_ROWS, shared=True))
    except psycopg.OperationalError:
        return  # the server went while the command worked, and the lock with it
    if not lake_revisions.revisions_in_lake(connection):
        return
    with platform.maintenance_connection() as maintenance:
        lake_revisions.unload_rows(maintenance)
