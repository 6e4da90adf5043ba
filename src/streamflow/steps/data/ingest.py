"""ingest: validate all files of a drop, then write all its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl

from streamflow.core.data.rejects import find_rejected_keys
from streamflow.errors import DropConflict
from streamflow.files.file_changes import refusing_changes
from streamflow.files.spool import Spool
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.receipt import Receipt
from streamflow.steps.data.drop_comparison import Files, is_stored, new_files, refuse_copy
from streamflow.steps.data.drop_files import find_delivered_tables
from streamflow.steps.data.drop_reading import CheckedDrop, inspect_files, read_drop
from streamflow.steps.data.rejected_rows import (
    describe_rejects,
    find_rejects,
    leave_forgotten_out,
)
from streamflow.steps.data.remote_drop import local_folder
from streamflow.steps.data.violations import make_violation_error
from streamflow.steps.observed import observed
from streamflow.warehouse import drops, erasures
from streamflow.warehouse.drops import DeliveredFile, RejectedRow

SORTED_ROWS = 1_000_000  # rows that are sorted in memory at a time
SENT_ROWS = 50_000  # rows that are sent to PostgreSQL at a time


@dataclass(frozen=True, kw_only=True)
class IngestReceipt(Receipt):
    """What `ingest` wrote. `changed` is False when the same drop was already stored.

    rejected    rows that were kept apart, with --reject-rows
    erased      keys that are left out because 'forget' erased them before
    """

    as_of: date
    files: tuple[DeliveredFile, ...]
    rejected: int
    changed: bool
    erased: int = 0
    warnings: tuple[str, ...] = ()


@observed("ingest")
def ingest(
    platform: Platform,
    folder: Path,
    as_of: datetime,
    *,
    allow_same: bool = False,
    reject_rows: bool = False,
) -> IngestReceipt:
    """Validate every file of `folder`, then replace the raw rows of `as_of` in one transaction.

    A folder that holds only the label file is a delivery of labels for a drop that is stored
    already. With `reject_rows`, the rows of keys that break the contract are kept apart, up to the
    share that the settings allow. `folder` may be an address, such as s3://bucket/month_000.

    Raises:
        ContractViolation: a file breaks the contract; the error lists all violations.
        DropConflict: the files are those of a different as_of, or a file changed while it was
            read. In all cases nothing is written.
    """
    with local_folder(folder, platform.home / "tmp", platform.notify) as local:
        return _ingest(platform, local, as_of, allow_same=allow_same, reject_rows=reject_rows)


def _ingest(
    platform: Platform,
    folder: Path,
    as_of: datetime,
    *,
    allow_same: bool,
    reject_rows: bool,
) -> IngestReceipt:
    catalog = platform.catalog
    tables = find_delivered_tables(folder, catalog)
    paths = [folder / catalog.file(table) for table in tables]
    with drops.lock_drop(platform.connection, as_of), ExitStack() as closing:
        with refusing_changes(paths):
            facts = inspect_files(folder, catalog, tables)
            files = new_files(catalog, {table: file.sha256 for table, file in facts.items()})
            deliveries = drops.delivered_files(platform.connection)
            stored_files = deliveries.get(as_of, {})
            if is_stored(files, stored_files):
                stored = [stored_files[table] for table in tables]
                return _unchanged_receipt(platform, as_of, stored)
            if not allow_same:
                refuse_copy(folder, as_of, files, deliveries)
            drop = read_drop(
                folder,
                catalog,
                facts,
                _read_earlier_keys(platform, as_of, tables, stored_files),
                as_of=as_of,
                space=platform.home / "tmp",
                closing=closing,
                notify=platform.notify,
            )
            row_rejects = find_rejects(platform, folder, drop) if reject_rows else []
            if drop.violations and not row_rejects:
                raise make_violation_error(folder, catalog, drop.violations)
            rejected_rows = describe_rejects(folder, catalog, row_rejects)
        return _load(platform, folder, as_of, files, drop, rejected_rows)


def _unchanged_receipt(
    platform: Platform,
    as_of: datetime,
    files: Sequence[DeliveredFile],
) -> IngestReceipt:
    """Return the receipt of a drop that is stored already."""
    return IngestReceipt(
        as_of=as_of.date(),
        files=tuple(files),
        rejected=len(drops.rejected_rows(platform.connection, as_of)),
        changed=False,
    )


def _read_earlier_keys(
    platform: Platform,
    as_of: datetime,
    tables: tuple[str, ...],
    stored_files: Files,
) -> dict[str, pl.DataFrame]:
    """Return the keys of the entity and label tables that were delivered before and stay.

    The new files have to fit these keys.
    """
    catalog = platform.catalog
    if catalog.entity.table not in tables and catalog.entity.table not in stored_files:
        raise DropConflict(
            f"{catalog.file(catalog.label.table)} alone is a delivery of labels, "
            f"but there is no drop of {as_of:%Y-%m-%d} yet",
            remedy="Ingest the drop's feature files first, or correct --as-of.",
        )
    key_tables = {catalog.entity.table, catalog.label.table}
    staying_tables = key_tables & stored_files.keys() - set(tables)
    earlier_keys = {}
    for table in staying_tables:
        keys = drops.raw_keys(platform.address, table, catalog.entity.key, as_of)
        earlier_keys[table] = keys.with_row_index("row")
    return earlier_keys


def _load(
    platform: Platform,
    folder: Path,
    as_of: datetime,
    files: Files,
    drop: CheckedDrop,
    rejected_rows: Sequence[RejectedRow],
) -> IngestReceipt:
    """Write the checked rows, without those of rejected and of forgotten keys.

    Which keys were forgotten is looked up under the lock that `forget` needs.
    """
    catalog = platform.catalog
    key = catalog.entity.key
    with drops.lock_raw_rows(platform.address) as transaction:
        forgotten_keys = erasures.find_forgotten_keys(
            platform.connection, _all_keys(drop, key), as_of
        )
        left_out = find_rejected_keys(drop.violations) | forgotten_keys
        excluded_keys = pl.DataFrame({key: sorted(left_out)}, schema={key: _key_type(drop, key)})
        loaded_files = _count_loaded(files, drop, excluded_keys, key)
        row_count = sum(file.rows for file in loaded_files.values())
        progress = Progress(platform.notify, f"loading {folder.name}", row_count)
        frames = {
            table: _rows_to_load(spool, excluded_keys, key, progress)
            for table, spool in drop.spools.items()
        }
        kept_rows = leave_forgotten_out(platform, rejected_rows, as_of)
        drops.replace_drop(transaction, as_of, frames, loaded_files, kept_rows)
    return IngestReceipt(
        as_of=as_of.date(),
        files=tuple(loaded_files.values()),
        rejected=len(kept_rows),
        changed=True,
        erased=len(forgotten_keys),
        warnings=drop.warnings,
    )


def _count_loaded(
    files: Files, drop: CheckedDrop, excluded_keys: pl.DataFrame, key: str
) -> dict[str, DeliveredFile]:
    """Return the file of each table with the number of its rows that are loaded."""
    loaded_files = {}
    for table, file in files.items():
        keys = drop.keys[table][key]
        is_excluded = keys.is_null() | keys.is_in(excluded_keys[key].implode())
        loaded_files[table] = replace(file, rows=len(keys) - int(is_excluded.sum()))
    return loaded_files


def _all_keys(drop: CheckedDrop, key: str) -> pl.Series:
    """Return each key of the drop once; a missing key is left out."""
    key_columns = [frame[key] for frame in drop.keys.values()]
    return pl.concat(key_columns).drop_nulls().unique()


def _key_type(drop: CheckedDrop, key: str) -> pl.DataType:
    """Return the type of the key column."""
    return next(iter(drop.keys.values())).schema[key]


def _rows_to_load(
    spool: Spool,
    excluded_keys: pl.DataFrame,
    key: str,
    progress: Progress,
) -> Iterator[pl.DataFrame]:
    """Yield the rows to load, in runs of rows that are sorted by key.

    PostgreSQL enters sorted rows into an index several times as fast as rows in any other order.
    """
    run: list[pl.DataFrame] = []
    for frame in spool.read_frames():
        run.append(frame.drop_nulls(key).join(excluded_keys, on=key, how="anti"))
        if sum(map(len, run)) >= SORTED_ROWS:
            yield from _sorted_parts(run, key, progress)
            run = []
    yield from _sorted_parts(run, key, progress)


def _sorted_parts(
    run: Sequence[pl.DataFrame],
    key: str,
    progress: Progress,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a run in order of the key, SENT_ROWS at a time."""
    rows = pl.concat(run).sort(key) if run else pl.DataFrame()
    for batch in rows.iter_slices(SENT_ROWS):
        yield batch
        progress.add(len(batch))
