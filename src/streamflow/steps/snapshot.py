"""snapshot: freeze the raw rows of a drop, each table as a new revision where its content differs from the newest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from streamflow.core.digest import Digester, TableDigest
from streamflow.core.time import instant
from streamflow.errors import SnapshotMissing
from streamflow.platform import Platform
from streamflow.warehouse import drops, frozen
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class FrozenTable:
    """One table of a snapshot; `created` is False when the newest revision holds the same content already."""

    table: str
    revision: int
    rows: int
    digest: str
    created: bool
    changed_columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SnapshotReceipt:
    """What `snapshot` froze; `known_at` is that of the newest revision among its tables."""

    as_of: date
    known_at: datetime
    tables: tuple[FrozenTable, ...]


def snapshot(platform: Platform, as_of: date, *, notify: Callable[[str], None] = lambda _: None) -> SnapshotReceipt:
    """Freeze the drop of `as_of` in one transaction.

    Raises SnapshotMissing when there is no such drop.
    """
    at, connection = instant(as_of), platform.connection
    with connection.transaction():
        frozen.lock_for_writing(connection)
        delivered = drops.delivered(connection, at).get(at)
        if not delivered:
            raise SnapshotMissing(f"there is no drop of {as_of}", remedy=f"Run 'streamflow ingest DIR --as-of {as_of}' first.")
        newest = {r.table: r for r in frozen.revisions(connection, known_at=frozen.known_now(connection), first=at, last=at)}
        made: dict[str, tuple[int, TableDigest]] = {}
        changed: dict[str, tuple[str, ...]] = {}
        for table in (t for t in platform.catalog.tables if t in delivered):
            notify(f"freezing {table}")
            digest = _digest(platform, table, at)
            former = newest.get(table)
            if former is not None:
                changed[table] = _changes(platform, digest, former)
            if former is None or changed[table]:
                types = {name: c.type for name, c in platform.catalog.columns(table).items()}
                made[table] = frozen.copy_rows(connection, table, types, at), digest
        recorded = {r.table: r for r in frozen.record(connection, at, made)}
    now = {**newest, **recorded}
    tables = tuple(_frozen(now[t], t in recorded, changed.get(t, ())) for t in platform.catalog.tables if t in now)
    return SnapshotReceipt(as_of=as_of, known_at=max(r.known_at for r in now.values()), tables=tables)


def _frozen(revision: Revision, created: bool, changed: tuple[str, ...]) -> FrozenTable:
    return FrozenTable(
        table=revision.table,
        revision=revision.revision,
        rows=revision.rows,
        digest=revision.digest,
        created=created,
        changed_columns=changed,
    )


def _digest(platform: Platform, table: str, at: datetime) -> TableDigest:
    types = {name: c.type for name, c in platform.catalog.columns(table).items()}
    digester = Digester(platform.catalog.entity.key, types)
    for chunk in frozen.raw_rows(platform.address, table, types, platform.catalog.entity.key, at):
        digester.update(chunk)
    return digester.finish()


def _changes(platform: Platform, digest: TableDigest, former: Revision) -> tuple[str, ...]:
    """The columns that differ from the newest revision. A column that the catalog gained and no row fills is no change."""
    before = frozen.stored_digest(platform.connection, former)
    held = {c.name for c in before.columns}
    empty = {
        n
        for n in digest.changed_columns(before)
        if n not in held and drops.is_empty(platform.connection, former.table, n, former.as_of)
    }
    return tuple(n for n in digest.changed_columns(before) if n not in empty)
