"""init: guess a catalog from one folder of CSV files, and write it for a person to read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from streamflow.catalog import parse_catalog
from streamflow.core.onboarding.catalog_guess import Guess, guess
from streamflow.core.onboarding.catalog_text import catalog_text
from streamflow.core.onboarding.column_profile import (
    FileProfile,
    Profile,
    as_ingest_reads,
    detailed,
    details,
    measures,
    profiles,
)
from streamflow.core.onboarding.column_roles import check_columns, find_key, refuse
from streamflow.files import csv_scan, text_files
from streamflow.files.csv_files import BOM, read_header


@dataclass(frozen=True, kw_only=True)
class InitTable:
    """One file as it was declared."""

    table: str
    file: str
    rows: int
    columns: int  # the key not counted
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InitReceipt:
    """What was guessed. `decisions` is what the data leave open."""

    out: Path
    folder: Path
    key: str
    key_type: str
    entity: str
    keys: int
    label: str
    model: str
    tables: tuple[InitTable, ...]
    decisions: tuple[str, ...]


def init(
    folder: Path,
    out: Path,
    *,
    key: str | None = None,
    label: str | None = None,
    force: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> InitReceipt:
    """Guess the catalog of the files of `folder` and write it to `out`; `key` and `label` name what would be guessed.

    Raises CatalogInvalid with all that cannot be guessed or declared, StreamflowError when `out` exists and not `force`.
    """
    if not force:
        text_files.refuse_existing(out)
    names = _file_names(folder)
    _check_headers(folder, names)
    files = []
    for name in names:
        notify(f"reading {folder / name}")
        files.append(_profiled(folder / name))
    check_columns(files)
    chosen, rivals = find_key(files, key)
    population = csv_scan.count_distinct([folder / name for name in names], chosen)
    found = guess(
        files, key=chosen, population=population, rivals=() if key else rivals, label=label
    )
    text = catalog_text(found)
    parse_catalog(text, origin=str(out))  # what we write, we can read
    text_files.write_text(out, text, replace=force)
    return _receipt(found, folder, out)


def _file_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        refuse(
            [f"{folder}: no such folder"], "Name the folder that holds the CSV files of one drop"
        )
    names = csv_scan.csv_names(folder)
    if not names:
        inside = sorted(p.name for p in folder.iterdir() if p.is_dir() and csv_scan.csv_names(p))
        hint = f"; its subfolder {inside[0]} does" if inside else ""
        refuse(
            [f"{folder}: it holds no .csv file{hint}"],
            "Name the folder that holds the CSV files of one drop",
        )
    return names


def _check_headers(folder: Path, names: list[str]) -> None:
    """Raise CatalogInvalid with what is wrong with the first record of each file."""
    problems: list[str] = []
    for name in names:
        try:
            header = read_header(folder / name)
        except (OSError, csv.Error) as exc:
            problems.append(f"{name}: it cannot be read: {exc}")
            continue
        if len(header) < 2 and any(sign in "".join(header) for sign in ";\t|"):
            problems.append(f"{name}: its columns are not separated by commas")
        elif not header:
            problems.append(f"{name}: it has no header")
        elif header[0].startswith(BOM):
            problems.append(
                f"{name}: it begins with a byte order mark; save it as UTF-8 without one"
            )
        repeated = sorted({c for c in header if header.count(c) > 1})
        problems += [f"{name}: column {c!r} stands there {header.count(c)} times" for c in repeated]
    if problems:
        refuse(problems, "Correct the export")


def _profiled(path: Path) -> FileProfile:
    """Two passes over a file: what is in it, then the details that depend on that."""
    header = read_header(path)
    found = profiles(header, csv_scan.aggregate(path, measures(header)))
    if not found[0].rows:
        refuse(
            [f"{path.name}: it has a header and no rows, so nothing can be guessed"],
            "Export a whole drop",
        )
    wanted = details(found)
    found = detailed(found, csv_scan.aggregate(path, wanted)) if wanted else found
    return FileProfile(file=path.name, columns=tuple(_settled(path, p) for p in found))


def _settled(path: Path, profile: Profile) -> Profile:
    """A column that turns out to be text after all has its details still to come: few instants are no categories."""
    if profile.kind != "timestamp":
        return profile
    return replace(as_ingest_reads(profile, csv_scan.text_column(path, profile.name)), texts=None)


def _receipt(found: Guess, folder: Path, out: Path) -> InitReceipt:
    return InitReceipt(
        out=out,
        folder=folder,
        key=found.entity.key,
        key_type=found.entity.type,
        entity=found.entity.name,
        keys=found.population,
        label=f"{found.label.table}.{found.label.column}",
        model=found.model,
        tables=tuple(
            InitTable(
                table=t.table, file=t.file, rows=t.rows, columns=len(t.columns), features=t.features
            )
            for t in found.tables
        ),
        decisions=found.decisions,
    )
