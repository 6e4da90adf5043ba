"""snapshot: freeze the raw rows of a drop, each table as a new revision where its content differs from the newest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime

from streamflow.core.data.contract import expectation
from streamflow.core.data.digest import Digester, TableDigest
from streamflow.core.data.instants import instant
from streamflow.errors import ContractViolation, SnapshotMissing
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.warehouse import drops, frozen, revision_writing
from streamflow.warehouse.derived import Drop, broken_promises
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.revision_changes import Changes, changed_cells


@dataclass(frozen=True, kw_only=True)
class FrozenTable:
    """One table of a snapshot; `created` is False when the newest revision holds the same content already.

    changed_cells   column -> how many cells differ from the former revision, of keys in both; with it keys added and removed
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


@dataclass(frozen=True, kw_only=True)
class SnapshotReceipt:
    """What `snapshot` froze; `known_at` is that of the newest revision among its tables."""

    as_of: date
    known_at: datetime
    tables: tuple[FrozenTable, ...]


def snapshot(
    platform: Platform, as_of: date, *, notify: Callable[[str], None] = lambda _: None
) -> SnapshotReceipt:
    """Freeze the drop of `as_of` in one transaction.

    Raises SnapshotMissing when there is no such drop, ContractViolation when a derived column breaks what the catalog says.
    """
    at, connection = instant(as_of), platform.connection
    with connection.transaction():
        frozen.lock_for_writing(connection)
        delivered = drops.delivered(connection, at).get(at)
        if not delivered:
            raise SnapshotMissing(
                f"there is no drop of {as_of}",
                remedy=f"Run 'streamflow ingest DIR --as-of {as_of}' first.",
            )
        newest = {
            r.table: r
            for r in frozen.revisions(
                connection, known_at=frozen.known_now(connection), first=at, last=at
            )
        }
        tables = [t for t in platform.catalog.tables if t in delivered]
        drop_of = {
            t: frozen.drop_of(connection, t, at, population=platform.catalog.population_of(t))
            for t in tables
        }
        _check_derived(platform, drop_of)
        progress = Progress(notify, f"freezing {as_of}", sum(delivered[t].rows for t in tables))
        made, changed = _freeze(platform, drop_of, newest, progress)
        recorded = {r.table: r for r in revision_writing.record(connection, at, made)}
        counted = {t: _counted(platform, r, newest[t]) for t, r in recorded.items() if t in newest}
    now = {**newest, **recorded}
    receipts = (
        _frozen(now[t], t in recorded, changed.get(t, ()), counted.get(t))
        for t in platform.catalog.tables
        if t in now
    )
    return SnapshotReceipt(
        as_of=as_of, known_at=max(r.known_at for r in now.values()), tables=tuple(receipts)
    )


def _freeze(
    platform: Platform,
    drop_of: Mapping[str, Drop],
    newest: Mapping[str, Revision],
    progress: Progress,
) -> tuple[dict[str, tuple[int, TableDigest]], dict[str, tuple[str, ...]]]:
    """Copy the tables that are new or changed: table -> (revision, digest), and -> changed columns.

    One table is digested while another is copied: the first is our work, the second PostgreSQL's.
    """
    made: dict[str, tuple[int, TableDigest]] = {}
    changed: dict[str, tuple[str, ...]] = {}
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        digests = {
            table: pool.submit(_digest, platform, table, drop, progress)
            for table, drop in drop_of.items()
        }
        for table, drop in drop_of.items():
            if table in newest:
                changed[table] = _changes(platform, digests[table].result(), newest[table])
            if table not in newest or changed[table]:
                columns, key = platform.catalog.columns(table), platform.catalog.entity.key
                number = revision_writing.copy_rows(platform.connection, table, columns, key, drop)
                made[table] = number, digests[table].result()
    finally:
        pool.shutdown(cancel_futures=True)
    return made, changed


def _check_derived(platform: Platform, drop_of: Mapping[str, Drop]) -> None:
    """Every derived value of every table keeps the catalog's promises, or nothing is frozen."""
    catalog, lines = platform.catalog, []
    for table, drop in drop_of.items():
        columns = catalog.columns(table)
        for key, name, value in broken_promises(
            platform.connection, table, columns, catalog.entity.key, drop
        ):
            column = columns[name]
            whose = f" of {catalog.entity.key} {key!r}" if key else ""
            said = f"expected {expectation(column)}, got {value}" if key else value
            lines.append(f"{table} column '{name}' = {column.expr}{whose}: {said}")
    if lines:
        raise ContractViolation(
            "\n".join(lines),
            violations=lines,
            state="Nothing was frozen;",
            remedy="correct the expression in the catalog, or say nullable = true, and run 'streamflow snapshot' again.",
        )


def _counted(platform: Platform, now: Revision, former: Revision) -> Changes:
    held = {c.name for c in frozen.stored_digest(platform.connection, former).columns}
    key = platform.catalog.entity.key
    columns = [c for c in platform.catalog.columns(now.table) if c in held and c != key]
    return changed_cells(platform.connection, key, columns, now, former)


def _frozen(
    revision: Revision, created: bool, changed: tuple[str, ...], counted: Changes | None
) -> FrozenTable:
    return FrozenTable(
        table=revision.table,
        revision=revision.revision,
        rows=revision.rows,
        digest=revision.digest,
        created=created,
        changed_columns=changed,
        changed_cells=counted.cells if counted else {},
        added=counted.added if counted else 0,
        removed=counted.removed if counted else 0,
    )


def _digest(platform: Platform, table: str, drop: Drop, progress: Progress) -> TableDigest:
    columns, key = platform.catalog.columns(table), platform.catalog.entity.key
    digester = Digester(key, {name: c.type for name, c in columns.items()})
    for chunk in frozen.rows_to_freeze(platform.address, table, columns, key, drop):
        digester.update(chunk)
        progress.add(len(chunk))
    return digester.finish()


def _changes(platform: Platform, digest: TableDigest, former: Revision) -> tuple[str, ...]:
    """The columns that differ from the newest revision. A column that the catalog gained and no row fills is no change."""
    before = frozen.stored_digest(platform.connection, former)
    held, stored = {c.name for c in before.columns}, platform.catalog.file_columns(former.table)
    empty = {
        n
        for n in digest.changed_columns(before)
        if n not in held
        and n in stored
        and drops.is_empty(platform.connection, former.table, n, former.as_of)
    }
    return tuple(n for n in digest.changed_columns(before) if n not in empty)
