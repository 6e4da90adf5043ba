"""snapshot: freeze the raw rows of a drop.

A table becomes a new revision where its content differs from its newest revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime

from streamflow.core.data.contract import describe_expectation
from streamflow.core.data.digest import BUCKET, Digester, TableDigest
from streamflow.errors import ContractViolation
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.receipt import Receipt
from streamflow.steps.data.event_proof import EventProof, prove_aggregates
from streamflow.steps.data.former_revisions import (
    count_rows,
    delivered_files,
    find_drops,
    load_former_revisions,
    newest_revisions,
    require_former_revisions,
)
from streamflow.steps.data.lake_writing import record_in_lake, write_to_lake
from streamflow.steps.observed import observed
from streamflow.warehouse import drops, frozen, revision_writing
from streamflow.warehouse.aggregates import EventDrop
from streamflow.warehouse.derived import DropToFreeze, find_violations
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.revision_changes import Changes, count_changes


@dataclass(frozen=True, kw_only=True)
class FrozenTable:
    """One table of a snapshot; `created` is False when its newest revision has the same content.

    changed_cells   column -> how many cells differ from the former revision, of keys in both
    added           keys that only this revision has
    removed         keys that only the former revision has
    events          which events a new revision was computed from; None: it has no aggregates
    """

    table: str
    revision: int
    rows: int
    digest: str
    created: bool
    changed_columns: tuple[str, ...] = ()
    changed_cells: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    removed: int = 0
    events: EventProof | None = None


@dataclass(frozen=True, kw_only=True)
class SnapshotReceipt(Receipt):
    """What `snapshot` froze; `known_at` is that of the newest revision among its tables."""

    as_of: date
    known_at: datetime
    tables: tuple[FrozenTable, ...]


@observed("snapshot")
def snapshot(platform: Platform, as_of: datetime) -> SnapshotReceipt:
    """Freeze the drop of `as_of` in one transaction.

    Raises:
        SnapshotMissing: there is no drop of this date.
        ContractViolation: a computed column breaks what the catalog promises.
        TemporalViolation: two engines computed different aggregates. Nothing is frozen then.
    """
    catalog = platform.catalog
    connection = platform.connection
    load_former_revisions(platform, as_of)
    with connection.transaction():
        frozen.lock_for_writing(connection)
        require_former_revisions(platform, as_of)
        files = delivered_files(connection, as_of)
        newest = newest_revisions(connection, as_of)
        table_drops = find_drops(platform, as_of, files)
        _check_derived(platform, table_drops)
        row_count = count_rows(table_drops, files)
        progress = Progress(platform.notify, f"freezing {as_of:%Y-%m-%d}", row_count)
        copies, changed_columns = _freeze(platform, table_drops, newest, progress)
        proofs = _prove_aggregates(platform, as_of, copies)
        in_lake = write_to_lake(platform, table_drops, copies)
        created_revisions = revision_writing.record_revisions(connection, as_of, copies)
        record_in_lake(platform, in_lake)
        created = {revision.table: revision for revision in created_revisions}
        changes = {}
        for table in created.keys() & newest.keys():
            changes[table] = _count_changes(platform, created[table], newest[table])
    revisions = {**newest, **created}
    tables = [
        _frozen_table(
            revisions[table],
            table in created,
            changed_columns.get(table, ()),
            changes.get(table),
            proofs.get(table),
        )
        for table in catalog.frozen_tables
        if table in revisions
    ]
    known_at = max(revision.known_at for revision in revisions.values())
    return SnapshotReceipt(as_of=as_of.date(), known_at=known_at, tables=tuple(tables))


def _freeze(
    platform: Platform,
    table_drops: Mapping[str, DropToFreeze],
    newest: Mapping[str, Revision],
    progress: Progress,
) -> tuple[dict[str, tuple[int, TableDigest]], dict[str, tuple[str, ...]]]:
    """Copy the tables that are new or changed.

    One table is digested while another is copied: we compute the digest, and PostgreSQL copies.

    Returns:
        Table -> (revision, digest) of each copy, and table -> its changed columns.
    """
    copies: dict[str, tuple[int, TableDigest]] = {}
    changed_columns: dict[str, tuple[str, ...]] = {}
    catalog = platform.catalog
    key = catalog.entity.key
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        digests = {}
        for table, drop in table_drops.items():
            digests[table] = pool.submit(_digest_drop, platform, table, drop, progress)
        for table, drop in table_drops.items():
            if table in newest:
                digest = digests[table].result()
                changed_columns[table] = _find_changes(platform, digest, newest[table])
            if table not in newest or changed_columns[table]:
                columns = catalog.columns(table)
                number = revision_writing.copy_rows(platform.connection, table, columns, key, drop)
                copies[table] = number, digests[table].result()
    finally:
        pool.shutdown(cancel_futures=True)
    return copies, changed_columns


def _prove_aggregates(
    platform: Platform, as_of: datetime, copies: Mapping[str, tuple[int, TableDigest]]
) -> dict[str, EventProof]:
    """Compute the copied aggregates with a second engine. Raises TemporalViolation."""
    proofs = {}
    key = platform.catalog.entity.key
    for table, (_, digest) in copies.items():
        events = platform.catalog.events.get(table)
        if events is not None:
            platform.notify(f"computing the aggregates of {table} again")
            drop = EventDrop(table=table, key=key, as_of=as_of, events=events)
            proofs[table] = prove_aggregates(platform, drop, digest)
    return proofs


def _check_derived(platform: Platform, table_drops: Mapping[str, DropToFreeze]) -> None:
    """Check that every computed value of every table is what the catalog promises.

    Raises:
        ContractViolation: a value breaks a promise. Then nothing is frozen.
    """
    catalog = platform.catalog
    lines = []
    for table, drop in table_drops.items():
        columns = catalog.columns(table)
        for key, name, value in find_violations(
            platform.connection, table, columns, catalog.entity.key, drop
        ):
            column = columns[name]
            owner = f" of {catalog.entity.key} {key!r}" if key else ""
            problem = f"expected {describe_expectation(column)}, got {value}" if key else value
            computation = catalog.computation(table, name)
            lines.append(f"{table} column '{name}' = {computation}{owner}: {problem}")
    if lines:
        raise ContractViolation(
            "\n".join(lines),
            violations=lines,
            state="Nothing was frozen;",
            remedy="correct the expression in the catalog, or set nullable = true, "
            "and run 'streamflow snapshot' again.",
        )


def _count_changes(platform: Platform, revision: Revision, former: Revision) -> Changes:
    """Count the changes from the former revision, in the columns that both revisions have."""
    digest = frozen.stored_digest(platform.connection, former)
    former_columns = {column.name for column in digest.columns}
    catalog = platform.catalog
    key = catalog.entity.key
    columns = [
        name for name in catalog.columns(revision.table) if name in former_columns and name != key
    ]
    return count_changes(platform.connection, key, columns, revision, former)


def _frozen_table(
    revision: Revision,
    created: bool,
    changed_columns: tuple[str, ...],
    changes: Changes | None,
    proof: EventProof | None,
) -> FrozenTable:
    """Return the receipt of one table."""
    return FrozenTable(
        table=revision.table,
        revision=revision.revision,
        rows=revision.rows,
        digest=revision.digest,
        created=created,
        changed_columns=changed_columns,
        changed_cells=changes.cells if changes else {},
        added=changes.added if changes else 0,
        removed=changes.removed if changes else 0,
        events=proof,
    )


def _digest_drop(
    platform: Platform,
    table: str,
    drop: DropToFreeze,
    progress: Progress,
) -> TableDigest:
    """Return the digest of the rows that one table of the drop is to freeze."""
    catalog = platform.catalog
    columns = catalog.columns(table)
    key = catalog.entity.key
    types = {name: column.type for name, column in columns.items()}
    digester = Digester(key, types)
    for rows in frozen.rows_to_freeze(platform.address, table, columns, key, drop):
        digester.update(rows, rows[BUCKET])
        progress.add(len(rows))
    return digester.finish()


def _find_changes(platform: Platform, digest: TableDigest, former: Revision) -> tuple[str, ...]:
    """Return the columns that differ from the former revision.

    A column that the catalog gained since then counts only if some row has a value in it.
    """
    former_digest = frozen.stored_digest(platform.connection, former)
    former_columns = {column.name for column in former_digest.columns}
    catalog = platform.catalog

    def is_new_and_empty(name: str) -> bool:
        if name in former_columns or catalog.computation(former.table, name) is not None:
            return False
        return drops.is_column_empty(platform.connection, former.table, name, former.as_of)

    changed_columns = digest.changed_columns(former_digest)
    return tuple(name for name in changed_columns if not is_new_and_empty(name))
