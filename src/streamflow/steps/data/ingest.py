"""ingest: validate a drop whole, then write it whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.instants import instant
from streamflow.core.data.rejects import Reject, rejected_keys, rejects
from streamflow.errors import DropConflict
from streamflow.files import csv_files
from streamflow.files.spool import Spool
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.drop_reading import ReadDrop, delivered_tables, inspect_files, read_drop
from streamflow.steps.data.violations import in_words, violation_error
from streamflow.warehouse import drops, erasures
from streamflow.warehouse.drops import DeliveredFile, RejectedRow

RUN = 1_000_000  # rows that are sorted in memory at a time
PART = 50_000  # rows that are sent at a time


@dataclass(frozen=True, kw_only=True)
class IngestReceipt:
    """What `ingest` did. `changed` is False when the same drop was there already.

    rejected    rows that were kept apart, with --reject-rows      erased   keys that were forgotten, and left out again
    """

    as_of: date
    files: tuple[DeliveredFile, ...]
    rejected: int
    changed: bool
    erased: int = 0
    warnings: tuple[str, ...] = ()


def ingest(
    platform: Platform,
    folder: Path,
    as_of: date,
    *,
    allow_same: bool = False,
    reject_rows: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> IngestReceipt:
    """Validate every file of `folder`, then replace the raw rows of `as_of` in one transaction.

    A folder with the label file alone is a label delivery for a drop that is known. With `reject_rows` the rows of keys
    that break the contract are kept apart, up to the share that the settings allow. Raises ContractViolation with all
    violations, DropConflict when the files are those of another as_of; nothing is written then.
    """
    catalog, at = platform.catalog, instant(as_of)
    tables = delivered_tables(folder, catalog)
    facts = inspect_files(folder, catalog, tables)
    files = {
        t: DeliveredFile(table=t, file=catalog.file(t), sha256=f.sha256, rows=0)
        for t, f in facts.items()
    }
    with drops.one_loader(platform.connection, at), ExitStack() as closing:
        known = drops.delivered(platform.connection)
        before = known.get(at, {})
        if all(t in before and before[t].sha256 == f.sha256 for t, f in files.items()):
            kept = len(drops.rejected_rows(platform.connection, at))
            return IngestReceipt(
                as_of=as_of, files=tuple(before[t] for t in tables), rejected=kept, changed=False
            )
        if not allow_same:
            _refuse_copy(folder, as_of, files, known)
        earlier = _earlier_keys(platform, at, tables, before)
        read = read_drop(
            folder,
            catalog,
            facts,
            earlier,
            space=platform.home / "tmp",
            closing=closing,
            notify=notify,
        )
        left_out = _left_out(platform, folder, read) if reject_rows else []
        if read.violations and not left_out:
            raise violation_error(folder, catalog, read.violations)
        return _load(platform, folder, as_of, files, read, left_out, notify)


def _refuse_copy(
    folder: Path,
    as_of: date,
    files: Mapping[str, DeliveredFile],
    known: Mapping[datetime, Mapping[str, DeliveredFile]],
) -> None:
    """A whole drop under a second date is nearly always a mistake in the date."""
    mine = {t: f.sha256 for t, f in files.items()}
    for at, other in known.items():
        if (
            at != instant(as_of)
            and len(mine) > 1
            and mine == {t: f.sha256 for t, f in other.items()}
        ):
            raise DropConflict(
                f"{folder}: every file equals that of the drop of {at:%Y-%m-%d}, and is now said to be of {as_of}",
                remedy="Correct --as-of, or say --allow-same if really nothing changed between the two.",
                as_of=str(as_of),
                other=f"{at:%Y-%m-%d}",
            )


def _earlier_keys(
    platform: Platform, at: datetime, tables: tuple[str, ...], before: Mapping[str, DeliveredFile]
) -> dict[str, pl.DataFrame]:
    """The keys of what was delivered before and stays: it has to fit what is delivered now."""
    catalog = platform.catalog
    if catalog.entity.table not in tables and catalog.entity.table not in before:
        raise DropConflict(
            f"{catalog.file(catalog.label.table)} alone is a delivery of labels, but there is no drop of {at:%Y-%m-%d} yet",
            remedy="Ingest the drop's feature files first, or correct --as-of.",
        )
    staying = {catalog.entity.table, catalog.label.table} & before.keys() - set(tables)
    return {
        t: drops.raw_keys(platform.address, t, catalog.entity.key, at).with_row_index("row")
        for t in staying
    }


def _left_out(platform: Platform, folder: Path, read: ReadDrop) -> list[Reject]:
    """The rows to keep apart. Raises ContractViolation where leaving rows out does not help, or too many would be."""
    catalog, most = platform.catalog, platform.settings.max_reject_share
    if any(v.fatal or v.table not in read.keys for v in read.violations):
        raise violation_error(folder, catalog, read.violations)
    found = rejects(read.violations, read.keys, key=catalog.entity.key)
    keyless = sum(r.key is None for r in found)
    total = max(map(len, read.keys.values()))
    share = (len(rejected_keys(read.violations)) + keyless) / total
    if share > most:
        said = f"({share:.2%} of {total:,} keys would be rejected, the setting max_reject_share allows {most:.2%})"
        raise violation_error(folder, catalog, read.violations, said=said)
    return found


def _load(
    platform: Platform,
    folder: Path,
    as_of: date,
    files: Mapping[str, DeliveredFile],
    read: ReadDrop,
    left_out: Sequence[Reject],
    notify: Callable[[str], None],
) -> IngestReceipt:
    """Write what was checked, without the rejected and the forgotten keys."""
    catalog, key = platform.catalog, platform.catalog.entity.key
    forgotten = erasures.forgotten(platform.connection, _all_keys(read, key), as_of)
    out = pl.DataFrame(
        {key: sorted(rejected_keys(read.violations) | forgotten)},
        schema={key: _key_type(read, key)},
    )
    unwanted = {
        t: k.filter(k[key].is_null() | k[key].is_in(out[key].implode())).height
        for t, k in read.keys.items()
    }
    files = {t: replace(f, rows=read.keys[t].height - unwanted[t]) for t, f in files.items()}
    progress = Progress(notify, f"loading {folder.name}", sum(f.rows for f in files.values()))
    frames = {t: _wanted(spool, out, key, progress) for t, spool in read.spools.items()}
    kept = _with_lines(folder, catalog, [r for r in left_out if r.key not in forgotten])
    drops.replace_drop(platform.address, instant(as_of), frames, files, kept)
    return IngestReceipt(
        as_of=as_of,
        files=tuple(files.values()),
        rejected=len(kept),
        changed=True,
        erased=len(forgotten),
        warnings=read.warnings,
    )


def _all_keys(read: ReadDrop, key: str) -> pl.Series:
    return pl.concat([frame[key] for frame in read.keys.values()]).drop_nulls().unique()


def _key_type(read: ReadDrop, key: str) -> pl.DataType:
    return next(iter(read.keys.values())).schema[key]


def _wanted(
    spool: Spool, out: pl.DataFrame, key: str, progress: Progress
) -> Iterator[pl.DataFrame]:
    """The rows to load, in runs sorted by key: an index takes them several times as fast as in any other order."""
    run: list[pl.DataFrame] = []
    for frame in spool.frames():
        run.append(frame.drop_nulls(key).join(out, on=key, how="anti"))
        if sum(map(len, run)) >= RUN:
            yield from _sorted(run, key, progress)
            run = []
    yield from _sorted(run, key, progress)


def _sorted(run: Sequence[pl.DataFrame], key: str, progress: Progress) -> Iterator[pl.DataFrame]:
    rows = pl.concat(run).sort(key) if run else pl.DataFrame()
    for part in rows.iter_slices(PART):
        yield part
        progress.add(len(part))


def _with_lines(folder: Path, catalog: Catalog, left_out: Sequence[Reject]) -> list[RejectedRow]:
    """The rejects as they are kept: with line, reason and cells."""
    causes = list(dict.fromkeys(r.cause for r in left_out))
    said = dict(zip(causes, in_words(folder, catalog, causes), strict=True))
    kept = []
    for table in dict.fromkeys(r.table for r in left_out):
        header = csv_files.read_header(folder / catalog.file(table))
        of_table = [r for r in left_out if r.table == table]
        found = csv_files.records(folder / catalog.file(table), {r.row for r in of_table})
        for reject in of_table:
            record = found[reject.row]
            own = (reject.cause.table, reject.cause.row) == (table, reject.row)
            kept.append(
                RejectedRow(
                    table_name=table,
                    file=catalog.file(table),
                    line=record.line,
                    key=None if reject.key is None else str(reject.key),
                    reason=("" if own else "left out with ") + said[reject.cause],
                    cells=json.dumps(
                        dict(zip(header, record.cells, strict=False)), ensure_ascii=False
                    ),
                )
            )
    return kept
