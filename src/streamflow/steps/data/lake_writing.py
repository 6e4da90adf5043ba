"""Write the rows of new revisions into the lake, and of revisions from which a key was erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import polars as pl
import psycopg
import pyarrow as pa

from streamflow.core.data.contract import polars_type
from streamflow.core.data.digest import Digester, TableDigest
from streamflow.core.training.training_set import describe_revision
from streamflow.errors import SnapshotDamaged
from streamflow.lake.revision_name import StoredRevision
from streamflow.platform import Platform
from streamflow.steps.data.frozen_reading import ROW_DIGEST, read_lake, require_order
from streamflow.warehouse import lake_revisions, revision_writing
from streamflow.warehouse.derived import DropToFreeze
from streamflow.warehouse.frozen import RevisionKey
from streamflow.warehouse.lake_revisions import LakeRevision


def write_to_lake(
    platform: Platform,
    table_drops: Mapping[str, DropToFreeze],
    copies: Mapping[str, tuple[int, TableDigest]],
) -> list[LakeRevision]:
    """Write the rows of new revisions into the lake, if the installation has one.

    This is before the commit in PostgreSQL: what an interrupted command wrote is named nowhere.

    Args:
        platform: the open platform.
        table_drops: table -> what is frozen of the drop.
        copies: table -> number and digest of its new revision.
    """
    if not platform.settings.lake:
        return []
    written = []
    key = platform.catalog.entity.key
    for table, (number, digest) in copies.items():
        drop = table_drops[table]
        platform.notify(f"writing {table} into the lake")
        columns = platform.catalog.columns(table)
        rows = revision_writing.rows_with_digests(platform.address, table, columns, key, drop)
        revision_key = (table, drop.as_of, number)
        written.append(write_rows(platform, revision_key, digest, rows))
    return written


def write_rows(
    platform: Platform,
    revision_key: RevisionKey,
    digest: TableDigest,
    rows: Iterable[pl.DataFrame],
) -> LakeRevision:
    """Write rows as the content of a revision, and hold them against its digest.

    Args:
        platform: the open platform.
        revision_key: the revision.
        digest: of the rows that it must have.
        rows: chunks with the columns of the digest and the digest of each row, in its order.

    Raises:
        SnapshotDamaged: they are different rows. Nothing names what was written.
    """
    table, as_of, number = revision_key
    types = {column.name: column.type for column in digest.columns}
    schema = {name: polars_type(column_type) for name, column_type in types.items()}
    frame = pl.DataFrame(schema={**schema, ROW_DIGEST: pl.Binary})
    revision = StoredRevision(
        table=table,
        as_of=as_of,
        revision=number,
        digest=digest.value,
        schema=frame.to_arrow(compat_level=pl.CompatLevel.oldest()).schema,
    )
    digester = Digester(platform.catalog.entity.key, types)
    batches = _make_batches(rows, frame, digester)
    with require_order(revision_key):
        snapshot_id = platform.lake.write(revision, batches)
    if digester.finish().value != digest.value:
        name = describe_revision(*revision_key)
        raise SnapshotDamaged(f"{name}: the rows for the lake do not have the recorded digest")
    return LakeRevision(table=table, as_of=as_of, revision=number, snapshot_id=snapshot_id)


def _make_batches(
    rows: Iterable[pl.DataFrame],
    empty: pl.DataFrame,
    digester: Digester,
) -> Iterator[pa.RecordBatch]:
    for chunk in rows:
        typed = chunk.select(empty.columns).cast(empty.schema)
        digester.update(typed)
        yield from typed.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()


def record_in_lake(platform: Platform, revisions: Iterable[LakeRevision]) -> None:
    """Record where the rows of new revisions lie, in the transaction that enters them."""
    label = platform.catalog.label
    for revision in revisions:
        column = label.column if revision.table == label.table else None
        lake_revisions.record_in_lake(platform.connection, revision, column)


def find_in_lake(
    platform: Platform,
    revisions: Iterable[LakeRevision],
    key: str,
) -> list[RevisionKey]:
    """Return those of some revisions of the lake that hold a key."""
    key_name = platform.catalog.entity.key
    holders = []
    for revision in revisions:
        keys = pl.concat(read_lake(platform, revision, [key_name]))
        if (keys[key_name].cast(pl.String) == key).any():
            holders.append(revision.revision_key)
    return holders


def erase_in_lake(
    platform: Platform,
    connection: psycopg.Connection,
    revision: LakeRevision,
    key: str,
    remaining: TableDigest,
) -> None:
    """Write a revision without a key into the lake. Its former files go after the commit.

    Args:
        platform: the open platform.
        connection: the transaction of the erasure, as the maintenance role.
        revision: the revision, where it lies now.
        key: the key.
        remaining: the digest of the rows that remain.
    """
    is_erased = pl.col(platform.catalog.entity.key).cast(pl.String) == key
    label = platform.catalog.label.column
    names = [column.name for column in remaining.columns]
    erased_positives = 0

    def read_remaining() -> Iterator[pl.DataFrame]:
        nonlocal erased_positives
        for rows in read_lake(platform, revision, [*names, ROW_DIGEST]):
            if label in names:
                erased_positives += rows.filter(is_erased & pl.col(label)).height
            yield rows.filter(~is_erased)

    rewritten = write_rows(platform, revision.revision_key, remaining, read_remaining())
    lake_revisions.record_erasure(connection, rewritten, erased_positives)
