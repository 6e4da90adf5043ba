"""init: guess a catalog from the files of one drop, and write it for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Never

import polars as pl

from streamflow.catalog import parse_catalog
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.catalog_guess import CatalogGuess, guess_catalog
from streamflow.core.onboarding.catalog_text import catalog_text
from streamflow.core.onboarding.column_batch import Hashes
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.column_roles import KeyGuess, find_key
from streamflow.core.onboarding.event_guess import EventsGuess, divide_files
from streamflow.core.onboarding.label_column import find_label
from streamflow.core.onboarding.odd_rows import find_repeated_headers
from streamflow.core.onboarding.problems import Problem, refuse
from streamflow.core.onboarding.settings_text import SETTINGS_TEXT
from streamflow.core.onboarding.table_guess import TableGuess
from streamflow.files import source_files, text_files
from streamflow.settings import SETTINGS_FILE
from streamflow.steps.data.source_profile import ReadSource, read_source

MADE_KEY = "row_number"  # the key that numbers the rows
FOLDER_REMEDY = "Name the folder that holds the files of one drop, or the files themselves"


@dataclass(frozen=True, kw_only=True)
class InitTable:
    """One table, as the guessed catalog declares it. `columns` does not count the key."""

    table: str
    file: str
    rows: int
    columns: int
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InitReceipt:
    """The guessed catalog in short.

    readings   how the files are written, where that is no CSV in UTF-8 with commas
    decisions  what the data cannot decide
    left_out   the columns that are no features, and why
    settings   the file beside the catalog that asks for money; None: it existed and was left alone
    """

    out: Path
    folder: Path
    key: str
    key_type: str
    entity: str
    keys: int
    label: str
    model: str
    tables: tuple[InitTable, ...]
    readings: tuple[str, ...]
    decisions: tuple[str, ...]
    left_out: tuple[str, ...]
    settings: Path | None


def init(
    sources: Sequence[Path],
    out: Path,
    *,
    key: str | None = None,
    make_key: bool = False,
    label: str | None = None,
    force: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> InitReceipt:
    """Guess the catalog of the files of one drop and write it to `out`.

    A settings file beside it, with comments only, asks for what cannot be guessed.

    Args:
        sources: a folder, or files of one folder.
        key: the column of the key; without it the key is guessed.
        make_key: number the rows, because no column is the key.
        label: the column of the label; without it the label is guessed.
        force: replace `out` if it exists.

    Raises:
        CatalogInvalid: something cannot be guessed or declared; the error lists all of it.
        StreamflowError: `out` exists, and `force` is False.
    """
    if not force:
        text_files.refuse_existing(out)
    paths = _find_files(sources)
    read_sources = _read_files(paths, make_key=make_key, notify=notify)
    catalog_guess = _guess(read_sources, key=key, make_key=make_key, label=label)
    text = catalog_text(catalog_guess)
    parse_catalog(text, origin=str(out))  # what we write must be a catalog that we can read
    text_files.write_text(out, text, replace=force)
    settings = _write_settings(out.parent / SETTINGS_FILE)
    return _receipt(catalog_guess, paths[0].parent, out, settings)


def _write_settings(path: Path) -> Path | None:
    """Write the settings file with comments only. Return None if there is a file already."""
    if path.exists():
        return None
    text_files.write_text(path, SETTINGS_TEXT, replace=False)
    return path


def _find_files(sources: Sequence[Path]) -> list[Path]:
    """Return the files of a drop. Raises CatalogInvalid when they are not in one folder."""
    if len(sources) == 1 and sources[0].is_dir():
        return _list_folder(sources[0])
    lines = [f"{path}: no such file" for path in sources if not path.exists()]
    lines += [f"{path}: a folder beside other sources" for path in sources if path.is_dir()]
    folders = {path.parent.resolve() for path in sources}
    if len(folders) > 1:
        lines.append("the files are in different folders; a drop is one folder")
    if lines:
        _refuse(lines, FOLDER_REMEDY)
    return list(sources)


def _list_folder(folder: Path) -> list[Path]:
    """Return the data files of a folder. Raises CatalogInvalid when there are none."""
    names = source_files.list_names(folder)
    if not names:
        subfolders = sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and source_files.list_names(path)
        )
        hint = f", but its subfolder {subfolders[0]} does" if subfolders else ""
        endings = ", ".join(source_files.ENDINGS)
        _refuse([f"{folder}: it holds no file that ends in {endings}{hint}"], FOLDER_REMEDY)
    return [folder / name for name in names]


def _refuse(lines: Sequence[str], remedy: str) -> Never:
    refuse([Problem(lines=tuple(lines), remedy=remedy)])


def _read_files(
    paths: Sequence[Path],
    *,
    make_key: bool,
    notify: Callable[[str], None],
) -> list[ReadSource]:
    """Read all files. Raises CatalogInvalid with every problem of every file."""
    if make_key and len(paths) > 1:
        line = "the rows of several files cannot be numbered: their rows would not fit each other"
        _refuse([line], "Name one file, or a key that every file has with --key")
    read_sources = []
    problems = []
    for path in paths:
        notify(f"reading {path}")
        outcome = read_source(path, numbers_rows=MADE_KEY if make_key else None)
        if isinstance(outcome, Problem):
            problems.append(outcome)
        else:
            read_sources.append(outcome)
            problems += find_repeated_headers(outcome.profile)
    if problems:
        # The key is looked for in the files that can be read, so that its problem is said too.
        refuse([*problems, *_find_key_problem(read_sources)])
    return read_sources


def _find_key_problem(read_sources: Sequence[ReadSource]) -> list[Problem]:
    """Return why several files that can be read share no key; empty when they share one."""
    if len(read_sources) < 2:
        return []
    key_guess = find_key([source.profile for source in read_sources], None)
    return [key_guess] if isinstance(key_guess, Problem) else []


def _guess(
    read_sources: Sequence[ReadSource],
    *,
    key: str | None,
    make_key: bool,
    label: str | None,
) -> CatalogGuess:
    """Guess the catalog. Raises CatalogInvalid with the problems of key and label together."""
    divided = divide_files([source.profile for source in read_sources], key)
    files = divided.entities
    read_sources = [source for source in read_sources if source.profile in files]
    key_guess: KeyGuess | Problem = KeyGuess(name=MADE_KEY, is_made=True)
    if not make_key:
        key_guess = find_key(files, divided.key or key)
    key_name = ""
    if isinstance(key_guess, KeyGuess):
        key_name = key_guess.name
        files = tuple(_count_repeated(source, key_name) for source in read_sources)
    label_guess = find_label(files, key_name, label)
    if isinstance(key_guess, Problem) or isinstance(label_guess, Problem):
        refuse([guess for guess in (key_guess, label_guess) if isinstance(guess, Problem)])
    if key is not None:
        key_guess = replace(key_guess, alternatives=())
    population = _count_population(read_sources, key_name)
    if max(file.rows for file in files) < population:
        _refuse_unshared(read_sources, key_name)
    return guess_catalog(
        files, key=key_guess, label=label_guess, population=population, events=divided.events
    )


def _count_repeated(source: ReadSource, key: str) -> FileProfile:
    """Return the profile of a file with the number of rows that differ in the key only."""
    profile = source.profile
    column = profile.column(key)
    assert column is not None
    repeated = source.tally.count_repeated(column.header)
    return replace(profile, repeated=repeated)


def _count_population(read_sources: Sequence[ReadSource], key: str) -> int:
    """Count the different keys of all files together."""
    hashes = [pl.Series(_hashes_of(source, key)) for source in read_sources]
    return pl.concat(hashes).n_unique()


def _refuse_unshared(read_sources: Sequence[ReadSource], key: str) -> Never:
    """Name a key of each file that is not in the file with most keys."""
    largest = max(read_sources, key=lambda source: source.profile.rows)
    lines = [f"no file holds every {key!r}; one file must hold the whole population"]
    known_keys = pl.Series(_hashes_of(largest, key))
    for source in read_sources:
        keys = pl.Series(_hashes_of(source, key))
        is_known = keys.is_in(known_keys.implode())
        unknown_rows = (~is_known).arg_true()
        if len(unknown_rows):
            cell_place = source.find_cell(unknown_rows[0], key)
            count = count_of(len(unknown_rows), "key is", "keys are")
            lines.append(f"{cell_place}: {count} not in {largest.profile.file}")
    _refuse(lines, f"Add the missing keys to {largest.profile.file}, or correct their spelling")


def _hashes_of(source: ReadSource, key: str) -> Hashes:
    """Return a hash of each key of a file."""
    column = source.profile.column(key)
    assert column is not None
    return source.tally.key_hashes(column.header)


def _describe_table(guess: TableGuess | EventsGuess) -> InitTable:
    """Return what the receipt says of a table; those of events have aggregates as features."""
    return InitTable(
        table=guess.table,
        file=guess.file,
        rows=guess.rows,
        columns=len(guess.columns),
        features=guess.features,
    )


def _receipt(
    catalog_guess: CatalogGuess,
    folder: Path,
    out: Path,
    settings: Path | None,
) -> InitReceipt:
    """Return the receipt of a guessed catalog."""
    label = catalog_guess.label
    guesses: list[TableGuess | EventsGuess] = [*catalog_guess.tables, *catalog_guess.events]
    tables = tuple(_describe_table(guess) for guess in guesses)
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
        readings=catalog_guess.readings,
        decisions=catalog_guess.decisions,
        left_out=catalog_guess.left_out,
        settings=settings,
    )
