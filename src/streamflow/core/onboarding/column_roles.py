"""Guess which column is the key, and which file is the entity's own, from names and contents.

Where no guess is possible, the problem lists the columns that were examined: a missing catalog is
better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.problems import Problem

KEY_ENDING = re.compile(r"_(id|key|no|nr|num|number|code|uuid|guid|ref)$")
KEY_NAME = re.compile(r"^(id|.+_id|.*(id|num|nr|uuid|guid))$")
# What programs call a column that numbers the rows of one file.
ROW_NUMBER_NAME = re.compile(
    r"^(unnamed_\d+|index|row|row_?names?|row_?num(ber)?|x|nr|no)(_given)?$"
)
POPULATION_NAMES = ("users", "customers", "members", "accounts", "people", "clients")

KEY_REMEDY = (
    "Export one row for each key, under the same column name in every file "
    "(a file with several rows per key needs a column that says when each row happened)"
)
MAKE_KEY_REMEDY = (
    "Name the key with --key COLUMN, or number the rows with --make-key "
    "(then no row of a second month can be joined to a row of this one)"
)
HIDDEN_REMEDY = "Remove these characters in the export: an id with them is a different id"


UNLIKELY_KEY = "is different in each row, but its name is not that of a key"
SUM_REMEDY = "Remove the row of sums"


@dataclass(frozen=True, kw_only=True)
class KeyGuess:
    """The key.

    alternatives  the remaining columns that could be the key too
    is_made       no column is the key: the rows are numbered
    """

    name: str
    alternatives: tuple[str, ...] = ()
    is_made: bool = False


def entity_name(key: str, table: str) -> str:
    """Name the entity after its key, or after its table where the key is only `id`.

    >>> entity_name("customer_id", "people"), entity_name("id", "members")
    ('customer', 'member')
    """
    name = KEY_ENDING.sub("", key)
    if key != "id" and name:
        return name
    return table.removesuffix("s") or table


def find_key(files: Sequence[FileProfile], key: str | None) -> KeyGuess | Problem:
    """Find the column that is in every file of a drop and unique in each of them.

    `key` is the header or the name of the column that the user named as the key; None: guess it.
    """
    shared = [
        column.name
        for column in files[0].columns
        if all(file.column(column.name) for file in files)
    ]
    if key is not None:
        names = {
            column.name for file in files for column in file.columns if key == column.header
        } or {key}
        shared_names = [name for name in shared if name in names]
        if not shared_names:
            return _describe_absent_key(files, key, names)
        shared = shared_names
    possible_keys = [name for name in shared if all(_column(f, name).can_be_key for f in files)]
    if key is None:
        possible_keys = [name for name in possible_keys if _seems_key(files, name)]
    if not possible_keys:
        return _describe_no_key(files, shared, is_named=key is not None)
    best_key, *alternatives = sorted(possible_keys, key=rank_key)
    hidden = _describe_hidden(files, best_key)
    if hidden:
        return Problem(lines=tuple(hidden), remedy=HIDDEN_REMEDY)
    sums = [
        f"{file.locate(cell.row)} column {best_key!r}: got {cell.value!r}; it is no key but a sum"
        for file in files
        for cell in [_column(file, best_key).total]
        if cell
    ]
    if sums:
        return Problem(lines=tuple(sums), remedy=SUM_REMEDY)
    return KeyGuess(name=best_key, alternatives=tuple(alternatives))


def _seems_key(files: Sequence[FileProfile], name: str) -> bool:
    """Tell whether a column that could be the key seems to be one.

    In one file alone, any measured number may happen to be different in each row, so the name
    must be that of a key, or the column must be the first one.
    """
    if ROW_NUMBER_NAME.search(name):
        return False
    if len(files) > 1 or rank_key(name) < NO_KEY_NAME:
        return True
    return files[0].columns[0].name == name


def _describe_absent_key(files: Sequence[FileProfile], key: str, names: set[str]) -> Problem:
    """Say which files do not have the column that the user named."""
    incomplete_files = [file.file for file in files if not any(file.column(name) for name in names)]
    line = f"the key '{key}' is not a column of {', '.join(incomplete_files)}"
    return Problem(lines=(line,), remedy="Name a column that every file has")


def _describe_hidden(files: Sequence[FileProfile], key: str) -> list[str]:
    """Show the first cell of the key in each file that has blanks or hidden characters around."""
    lines = []
    for file in files:
        cell = _column(file, key).hidden
        if cell:
            shown = ascii(cell.value)
            problem = "it has blanks or characters of no width around it"
            lines.append(f"{file.locate(cell.row)} column {key!r}: got {shown}; {problem}")
    return lines


def _describe_no_key(
    files: Sequence[FileProfile],
    candidates: Sequence[str],
    *,
    is_named: bool,
) -> Problem:
    """Tell why each candidate cannot be the key; without candidates, list the keys of each file."""
    problem = "no column can be the key: it must be in every file, and different in each row"
    lines = [problem]
    if not candidates:
        lines.append("no column is in every file")
        for file in files:
            unique_columns = [column.header for column in file.columns if column.can_be_key]
            names = ", ".join(unique_columns) or "none"
            lines.append(f"{file.file}: different in each row are: {names}")
        return Problem(lines=tuple(lines), remedy=KEY_REMEDY)
    candidates = sorted(candidates, key=rank_key)
    if not is_named and len(files) == 1:
        likely = [name for name in candidates if rank_key(name) < NO_KEY_NAME]
        unique = [name for name in candidates if _column(files[0], name).can_be_key]
        candidates = likely or unique
        if not candidates:
            lines.append(f"{files[0].file}: no column is different in each row")
    for name in candidates:
        for file in files:
            column = _column(file, name)
            reason = next(_list_key_obstacles(file, column), UNLIKELY_KEY)
            # In several files, such a column is no key because of a different file.
            if reason != UNLIKELY_KEY or len(files) == 1:
                lines.append(f"{file.file}: column {column.header!r} {reason}")
    is_single = len(files) == 1 and not is_named
    remedy = MAKE_KEY_REMEDY if is_single else KEY_REMEDY
    return Problem(lines=tuple(lines), remedy=remedy)


def _list_key_obstacles(file: FileProfile, column: ColumnProfile) -> Iterator[str]:
    """Tell why a column cannot be the key; nothing when it could."""
    if column.empty:
        first = ""
        if column.first_empty is not None:
            first = f", first in {file.locate(column.first_empty)}"
        yield f"is empty in {column.empty:,} of {count_of(column.rows, 'row')}{first}"
    if column.kind not in ("int", "string", "float"):
        yield f"is of type {column.kind}; a key is int or string"
    if not column.unique:
        yield _describe_repeats(column)
    if column.total:
        line = file.locate(column.total.row)
        yield f"holds the name of a sum in {line}: {column.total.value!r}"
    if column.odd_cells:
        odd_cell = column.odd[0]
        shown = f"{odd_cell.value!r} in {file.locate(odd_cell.row)}"
        count = count_of(column.odd_cells, "cell")
        yield f"is of type {column.kind}, except {count}, first {shown}"
    if column.kind == "float" and not column.is_whole:
        yield "holds numbers that are not whole; a key is int or string"
    if column.numbers_rows:
        yield "only numbers the rows"


def _describe_repeats(column: ColumnProfile) -> str:
    """Say how often the cells of a column repeat, with one that does."""
    rows = count_of(column.rows, "row")
    example = f", {column.repeated_cell!r} twice or more" if column.repeated_cell else ""
    if column.values is not None and len(column.values) == column.rows:
        example += " (1.0 is the same key as 1)"
    if column.repeats and column.values is None:
        return f"repeats an earlier row in {column.repeats:,} of {rows}{example}"
    values = "many different values"
    if column.values is not None:
        values = count_of(len(column.values), "different value")
    return f"repeats: {values} in {rows}{example}"


NO_KEY_NAME = 2


def rank_key(name: str) -> int:
    """Rank a name as that of a key; the smallest rank is the best."""
    if name == "id" or name.endswith("_id"):
        return 0
    return 1 if KEY_ENDING.search(name) or KEY_NAME.search(name) else NO_KEY_NAME


def find_owner(
    files: Sequence[FileProfile],
    key: str,
    label_file: FileProfile,
    population: int,
) -> FileProfile | Problem:
    """Find the entity's own file: it holds all `population` keys.

    It is a file without the label, if there is one: the label is known later than the rest.
    """
    # A key occurs once in each file, so it is enough to count the rows.
    complete_files = [
        file
        for file in files
        if file.rows == population and (file is not label_file or _is_wide(file) or len(files) == 1)
    ]
    if not complete_files:
        counts = [f"{file.file}: {file.rows:,} of {count_of(population, 'key')}" for file in files]
        problem = (
            f"no file except that of the label holds every '{key}'; "
            "one file must hold the whole population"
        )
        return Problem(lines=(problem, *counts), remedy="Add the missing keys to one of the files")
    entity = KEY_ENDING.sub("", key)
    return min(
        complete_files,
        key=lambda file: (file is label_file, _rank_owner(file.file, entity)),
    )


WIDE_COLUMNS = 8  # a file with the label and so many columns is no file of outcomes only


def _is_wide(file: FileProfile) -> bool:
    return len(file.columns) >= WIDE_COLUMNS


def holds_features(label_file: FileProfile, owner: FileProfile) -> bool:
    """Tell whether the file of the label holds features too.

    It does if it is the entity's own file, or if it has many columns. A small file of the label
    is known later than the rest, and so are its columns.
    """
    return label_file is owner or _is_wide(label_file)


def _rank_owner(file: str, entity: str) -> int:
    """Rank the name of a file as that of the population; the smallest rank is the best."""
    stem = file.split(".", 1)[0].lower()
    if stem in (entity, f"{entity}s"):
        return 0
    return 1 if stem in POPULATION_NAMES else 2


def _column(file: FileProfile, name: str) -> ColumnProfile:
    column = file.column(name)
    assert column is not None
    return column
