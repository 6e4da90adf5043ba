"""Read the rows of a revision, wherever they lie. Every reader of frozen rows comes through here.

The rows lie in PostgreSQL, or in the lake. Who needs them in SQL calls `load` first: it copies
them from the lake into the frozen tables of PostgreSQL (`loaded_rows.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import polars as pl
import pyarrow as pa

from streamflow.core.data.contract import polars_type
from streamflow.core.data.digest import BUCKET, RowsOutOfOrder, assign_buckets
from streamflow.core.training.training_set import Source, describe_revision
from streamflow.errors import SnapshotDamaged, SnapshotMissing
from streamflow.platform import Platform
from streamflow.warehouse import change_evidence, frozen, lake_revisions
from streamflow.warehouse.frozen import RevisionKey
from streamflow.warehouse.lake_revisions import LakeRevision

ROW_DIGEST = "row_digest"


def read_batches(
    platform: Platform,
    table: str,
    as_of: datetime,
    revision: int,
) -> Iterator[pa.RecordBatch]:
    """Read the rows of a revision as Arrow batches, in the order (bucket, bytes of the key).

    The columns are those that the revision was frozen with. The caller compares the digest.

    Raises:
        SnapshotMissing: this revision is not frozen.
        SnapshotDamaged: a file of the lake is missing or cannot be read.
        LakeUnavailable: the place of the lake cannot be reached.
    """
    stored = frozen.revisions_by_key(platform.connection).get((table, as_of, revision))
    if stored is None:
        raise SnapshotMissing(f"{describe_revision(table, as_of, revision)} is not frozen")
    columns = frozen.stored_digest(platform.connection, stored).columns
    types = {column.name: column.type for column in columns}
    key = platform.catalog.entity.key
    for frame in read_frames(platform, table, types, key, as_of, revision):
        yield from frame.drop(BUCKET).to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()


def read_frames(
    platform: Platform,
    table: str,
    types: dict[str, str],
    key: str,
    as_of: datetime,
    revision: int,
) -> Iterator[pl.DataFrame]:
    """Read columns of a revision in chunks, in the order (bucket, bytes of the key).

    The column BUCKET is added to them.

    Args:
        platform: the open platform.
        table: the table.
        types: the columns to read with their types.
        key: the name of the key.
        as_of: the drop.
        revision: the number of the revision.
    """
    in_lake = _find_unloaded(platform, (table, as_of, revision))
    if in_lake is None:
        row_count = 0
        for frame in frozen.frozen_rows(platform.address, table, types, key, as_of, revision):
            row_count += frame.height
            yield frame
        if row_count:
            return
        # A different command may have deleted the copy of the rows since we looked.
        in_lake = _find_unloaded(platform, (table, as_of, revision))
    if in_lake is not None:
        yield from read_typed(platform, in_lake, types, key)


def read_rows(
    platform: Platform,
    table: str,
    columns: Iterable[str],
    revision_keys: Iterable[tuple[datetime, int]],
) -> pl.DataFrame:
    """Read the rows of some revisions of a table, in any order.

    Args:
        platform: the open platform.
        table: the table.
        columns: the columns to read.
        revision_keys: (as_of, number) of each revision.

    Returns:
        (n, as_of and `columns`)
    """
    names = list(columns)
    pairs = list(revision_keys)
    unloaded = lake_revisions.unloaded_revisions(platform.connection)
    in_lake = [unloaded[table, *key] for key in pairs if (table, *key) in unloaded]
    in_database = [key for key in pairs if (table, *key) not in unloaded]
    frames = []
    if in_database or not in_lake:
        rows = frozen.read_rows(platform.address, table, names, in_database)
        unloaded_now = lake_revisions.unloaded_revisions(platform.connection)
        if any((table, *key) in unloaded_now for key in in_database):
            # A different command deleted copies meanwhile: all are read again.
            return read_rows(platform, table, names, pairs)
        frames.append(rows)
    for revision in in_lake:
        rows = pl.concat(read_lake(platform, revision, names))
        as_of = pl.lit(revision.as_of).cast(lake_revisions.INSTANT)
        frames.append(rows.select(as_of.alias("as_of"), *names))
    return pl.concat(frames)


def read_rows_in_buckets(
    platform: Platform,
    source: Source,
    columns: Sequence[str],
    buckets: Iterable[int],
) -> pl.DataFrame:
    """Read the rows of a revision in some buckets, each with the digest that is stored for it.

    Returns:
        (n, `columns` and row_digest)
    """
    key = platform.catalog.entity.key
    numbers = sorted(buckets)
    in_lake = _find_unloaded(platform, source.revision_key)
    if in_lake is None:
        rows = change_evidence.read_rows_in_buckets(platform.address, source, columns, key, numbers)
        # A different command may have deleted the copy of the rows meanwhile.
        in_lake = _find_unloaded(platform, source.revision_key)
        if in_lake is None:
            return rows
    rows = pl.concat(read_lake(platform, in_lake, [*columns, ROW_DIGEST]))
    bucket_of_row = pl.Series(assign_buckets(rows[key]))
    return rows.filter(bucket_of_row.is_in(numbers))


def _find_unloaded(platform: Platform, key: RevisionKey) -> LakeRevision | None:
    """Return the revision if its rows lie in the lake only."""
    return lake_revisions.unloaded_revisions(platform.connection).get(key)


def read_lake(
    platform: Platform,
    revision: LakeRevision,
    columns: Sequence[str],
) -> Iterator[pl.DataFrame]:
    """Yield columns of a revision of the lake in chunks, at least one.

    Raises:
        SnapshotDamaged: a file of the lake is missing or cannot be read.
        SnapshotMissing: `forget` or `prune` removed the files while they were read.
        LakeUnavailable: the place of the lake cannot be reached.
    """
    name = describe_revision(*revision.revision_key)
    is_empty = True
    try:
        for batch in platform.lake.read(revision.table, revision.snapshot_id, columns):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            is_empty = False
            yield _add_missing_columns(platform, revision.table, frame, columns)
    except SnapshotDamaged as exc:
        stored = lake_revisions.revisions_in_lake(platform.connection)
        if stored.get(revision.revision_key) != revision:
            raise SnapshotMissing(
                f"{name} was changed by 'forget' or 'prune' while it was read",
                remedy="Run the command again.",
            ) from exc
        raise SnapshotDamaged(f"{name}: {exc.message}", violations=[exc.message]) from exc
    if is_empty:
        raise SnapshotDamaged(f"{name}: the lake has no rows of it")


def read_typed(
    platform: Platform,
    revision: LakeRevision,
    types: Mapping[str, str],
    key: str,
) -> Iterator[pl.DataFrame]:
    """Yield columns of a revision of the lake in chunks, with their types and the column BUCKET.

    Raises:
        SnapshotDamaged: a file has values of a different type, or a row without a key.
    """
    name = describe_revision(*revision.revision_key)
    cells = [pl.col(column).cast(polars_type(kind)) for column, kind in types.items()]
    for frame in read_lake(platform, revision, list(types)):
        try:
            typed = frame.select(cells)
        except pl.exceptions.PolarsError as exc:  # its text may show values of users
            raise SnapshotDamaged(f"{name}: a file of the lake has different types") from exc
        if typed[key].null_count():
            raise SnapshotDamaged(f"{name}: a file of the lake has a row without {key}")
        yield typed.with_columns(pl.Series(BUCKET, assign_buckets(typed[key])))


@contextmanager
def require_order(key: RevisionKey, *, state: str = "") -> Iterator[None]:
    """Raise SnapshotDamaged when the rows of a revision do not come in the order of its digest."""
    try:
        yield
    except RowsOutOfOrder as exc:
        sentence = f"{describe_revision(*key)}: {exc}"
        raise SnapshotDamaged(sentence, violations=[sentence], state=state) from exc


def _add_missing_columns(
    platform: Platform,
    table: str,
    frame: pl.DataFrame,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Return the columns in their order; those that the catalog gained later are null.

    A table that the catalog does not declare any more has gained none.
    """
    later = [name for name in columns if name not in frame.columns]
    if not later:
        return frame.select(columns)
    declared = platform.catalog.columns(table)
    nulls = [pl.lit(None, polars_type(declared[name].type)).alias(name) for name in later]
    return frame.with_columns(nulls).select(columns)


def describe_place(platform: Platform, key: RevisionKey) -> str:
    """Say in which files the rows of a revision lie; empty if PostgreSQL has them."""
    revision = _find_unloaded(platform, key)
    if revision is None:
        return ""
    return f"; they lie in {', '.join(list_files(platform, revision))}"


def list_files(platform: Platform, revision: LakeRevision) -> list[str]:
    """Return the addresses of the files in which the rows of a revision lie."""
    return platform.lake.list_files(revision.table, revision.snapshot_id)
