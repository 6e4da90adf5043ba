"""init: guess a catalog from one folder of CSV files, and write it for a person to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from streamflow.catalog import parse_catalog
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.catalog_guess import CatalogGuess, guess_catalog
from streamflow.core.onboarding.catalog_text import catalog_text
from streamflow.core.onboarding.column_profile import (
    ColumnProfile,
    FileProfile,
    add_details,
    check_instants,
    detail_expressions,
    measuring_expressions,
    profiles_from_measures,
)
from streamflow.core.onboarding.column_roles import check_columns, find_key, refuse
from streamflow.files import csv_scan, text_files
from streamflow.files.csv_files import BOM, read_header

DIFFERENT_SEPARATORS = ";\t|"  # what stands between cells in a file without commas


@dataclass(frozen=True, kw_only=True)
class InitTable:
    """One file, as the guessed catalog declares it. `columns` does not count the key."""

    table: str
    file: str
    rows: int
    columns: int
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InitReceipt:
    """The guessed catalog in short. `decisions` lists what the data cannot decide."""

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
    """Guess the catalog of the files of `folder` and write it to `out`.

    Args:
        key: the column of the key; without it the key is guessed.
        label: the column of the label; without it the label is guessed.
        force: replace `out` if it exists.

    Raises:
        CatalogInvalid: something cannot be guessed or declared; the error lists all of it.
        StreamflowError: `out` exists, and `force` is False.
    """
    if not force:
        text_files.refuse_existing(out)
    names = _file_names(folder)
    _check_headers(folder, names)
    files = []
    for name in names:
        notify(f"reading {folder / name}")
        files.append(_profile_file(folder / name))
    check_columns(files)
    key_column, rivals = find_key(files, key)
    population = csv_scan.count_distinct([folder / name for name in names], key_column)
    catalog_guess = guess_catalog(
        files,
        key=key_column,
        population=population,
        alternative_keys=() if key else rivals,
        label=label,
    )
    text = catalog_text(catalog_guess)
    parse_catalog(text, origin=str(out))  # what we write must be a catalog that we can read
    text_files.write_text(out, text, replace=force)
    return _receipt(catalog_guess, folder, out)


def _file_names(folder: Path) -> list[str]:
    """Return the names of the CSV files of a folder. Raises CatalogInvalid when there are none."""
    remedy = "Name the folder that holds the CSV files of one drop"
    if not folder.is_dir():
        refuse([f"{folder}: no such folder"], remedy)
    names = csv_scan.list_csv_names(folder)
    if not names:
        subfolders = sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and csv_scan.list_csv_names(path)
        )
        hint = f", but its subfolder {subfolders[0]} does" if subfolders else ""
        refuse([f"{folder}: it holds no .csv file{hint}"], remedy)
    return names


def _check_headers(folder: Path, names: list[str]) -> None:
    """Raise CatalogInvalid with every mistake in the header of a file."""
    problems: list[str] = []
    for name in names:
        try:
            header = read_header(folder / name)
        except OSError as exc:
            problems.append(f"{name}: it cannot be read: {exc}")
            continue
        header_text = "".join(header)
        if len(header) < 2 and any(sign in header_text for sign in DIFFERENT_SEPARATORS):
            problems.append(f"{name}: its columns are not separated by commas")
        elif not header:
            problems.append(f"{name}: it has no header")
        elif header[0].startswith(BOM):
            problems.append(
                f"{name}: it begins with a byte order mark; save it as UTF-8 without one"
            )
        repeated = sorted({column for column in header if header.count(column) > 1})
        problems += [
            f"{name}: column {column!r} is in the header {count_of(header.count(column), 'time')}"
            for column in repeated
        ]
    if problems:
        refuse(problems, "Correct the export")


def _profile_file(path: Path) -> FileProfile:
    """Profile the columns of a file in two passes.

    The second pass computes the details that depend on the result of the first.
    """
    header = read_header(path)
    columns = profiles_from_measures(
        header,
        csv_scan.aggregate(path, measuring_expressions(header)),
    )
    if not columns[0].rows:
        refuse(
            [f"{path.name}: it has a header and no rows, so nothing can be guessed"],
            "Export a whole drop",
        )
    detail_measures = detail_expressions(columns)
    if detail_measures:
        columns = add_details(columns, csv_scan.aggregate(path, detail_measures))
    return FileProfile(
        file=path.name,
        columns=tuple(_check_instants(path, column) for column in columns),
    )


def _check_instants(path: Path, profile: ColumnProfile) -> ColumnProfile:
    """Return the profile of a column of instants as `ingest` would read it; it may be text.

    The distinct texts are dropped: a few different instants are not categories.
    """
    if profile.kind != "timestamp":
        return profile
    cells = csv_scan.read_text_column(path, profile.name)
    return replace(check_instants(profile, cells), texts=None)


def _receipt(catalog_guess: CatalogGuess, folder: Path, out: Path) -> InitReceipt:
    """Return the receipt of a guessed catalog."""
    label = catalog_guess.label
    tables = tuple(
        InitTable(
            table=table.table,
            file=table.file,
            rows=table.rows,
            columns=len(table.columns),
            features=table.features,
        )
        for table in catalog_guess.tables
    )
    return InitReceipt(
        out=out,
        folder=folder,
        key=catalog_guess.entity.key,
        key_type=catalog_guess.entity.type,
        entity=catalog_guess.entity.name,
        keys=catalog_guess.population,
        label=f"{label.table}.{label.column}",
        model=catalog_guess.model,
        tables=tables,
        decisions=catalog_guess.decisions,
    )
