"""ingest: validate a drop whole, then write it whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.contract import Violation, cross_check, header_violations, read_cells
from streamflow.core.time import instant
from streamflow.errors import ContractViolation, DropConflict
from streamflow.files import csv_files
from streamflow.platform import Platform
from streamflow.warehouse import drops
from streamflow.warehouse.drops import DeliveredFile

SHOWN = 20  # violations in the message; all are in `facts`


@dataclass(frozen=True, kw_only=True)
class IngestReceipt:
    """What `ingest` did. `changed` is False when the same drop was there already."""

    as_of: date
    files: tuple[DeliveredFile, ...]
    rejected: int
    changed: bool


def ingest(platform: Platform, folder: Path, as_of: date, *, allow_same: bool = False) -> IngestReceipt:
    """Validate every file of `folder`, then replace the raw rows of `as_of` in one transaction.

    A folder with the label file alone is a label delivery for a drop that is known. Raises ContractViolation with all
    violations, DropConflict when the files are those of another as_of; nothing is written then.
    """
    catalog, at = platform.catalog, instant(as_of)
    tables = _delivered_tables(folder, catalog)
    files = {t: _fingerprint(folder / catalog.file(t), t) for t in tables}
    known = drops.delivered(platform.connection)
    before = known.get(at, {})
    if all(t in before and before[t].sha256 == f.sha256 for t, f in files.items()):
        return IngestReceipt(as_of=as_of, files=tuple(before[t] for t in tables), rejected=0, changed=False)
    if not allow_same:
        _refuse_copy(folder, as_of, files, known)
    frames = _validated(folder, catalog, tables, _earlier_keys(platform, at, tables, before))
    files = {t: DeliveredFile(table=t, file=f.file, sha256=f.sha256, rows=len(frames[t])) for t, f in files.items()}
    drops.replace_drop(platform.address, at, {t: frames[t] for t in tables}, files)
    return IngestReceipt(as_of=as_of, files=tuple(files.values()), rejected=0, changed=True)


def _delivered_tables(folder: Path, catalog: Catalog) -> tuple[str, ...]:
    """The tables whose files are there: all, all but the labels, or the labels alone."""
    if not folder.is_dir():
        raise ContractViolation(f"{folder}: no such folder", remedy="name the folder that holds the drop's CSV files.")
    there = tuple(t for t in catalog.tables if (folder / catalog.file(t)).is_file())
    missing = [catalog.file(t) for t in catalog.feature_tables if t not in there]
    if missing and there != (catalog.label.table,):
        lines = [f"{folder / name}: expected a file of the drop, got none" for name in missing]
        raise ContractViolation(
            "\n".join(lines), violations=lines, remedy="add the missing files and run 'streamflow ingest' again."
        )
    return there


def _fingerprint(path: Path, table: str) -> DeliveredFile:
    return DeliveredFile(table=table, file=path.name, sha256=csv_files.sha256_of(path), rows=0)


def _refuse_copy(
    folder: Path, as_of: date, files: Mapping[str, DeliveredFile], known: Mapping[datetime, Mapping[str, DeliveredFile]]
) -> None:
    """A whole drop under a second date is nearly always a mistake in the date."""
    mine = {t: f.sha256 for t, f in files.items()}
    for at, other in known.items():
        if at != instant(as_of) and len(mine) > 1 and mine == {t: f.sha256 for t, f in other.items()}:
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
    return {t: drops.raw_keys(platform.address, t, catalog.entity.key, at) for t in staying}


def _validated(
    folder: Path, catalog: Catalog, tables: tuple[str, ...], earlier: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Table -> typed rows, or every violation of every file."""
    frames: dict[str, pl.DataFrame] = {}
    violations: list[Violation] = []
    for table in tables:
        path, columns = folder / catalog.file(table), catalog.columns(table)
        wrong = header_violations(table, csv_files.read_header(path), list(columns))
        if not wrong:
            frames[table], wrong = read_cells(csv_files.read_text(path), columns, key=catalog.entity.key, table=table)
        violations += wrong
    violations += cross_check({**earlier, **frames}, catalog)
    if violations:
        raise _violation_error(folder, catalog, violations)
    return frames


def _violation_error(folder: Path, catalog: Catalog, violations: list[Violation]) -> ContractViolation:
    lines: list[str] = []
    for table in dict.fromkeys(v.table for v in violations):
        path = folder / catalog.file(table)
        of_table = [v for v in violations if v.table == table]
        rows = {v.row for v in of_table if v.row is not None}
        numbers = csv_files.physical_lines(path, rows) if path.is_file() and rows else {}
        lines += [_line(f"{folder.name}/{path.name}", v, numbers) for v in of_table]
    shown = lines[:SHOWN] + ([f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])
    return ContractViolation("\n".join(shown) + f"\n({len(lines)} violation{'s' if len(lines) > 1 else ''})", violations=lines)


def _line(file: str, violation: Violation, numbers: Mapping[int, int]) -> str:
    number = numbers.get(violation.row) if violation.row is not None else None
    where = f"{file}:{number}" if number else file
    column = f" column '{violation.column}'" if violation.column else ""
    return f"{where}{column}: expected {violation.expected}, got {violation.got or 'none'}"
