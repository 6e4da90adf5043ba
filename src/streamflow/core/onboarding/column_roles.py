"""Guess which column is the key, and which file is the entity's own, from names and contents.

Where no guess is possible, the error lists the columns that were examined: a missing catalog is
better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Never

from streamflow.catalog import RESERVED
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.errors import CatalogInvalid

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
MAX_NAME = 48  # characters of a name in the catalog
KEY_ENDING = re.compile(r"_(id|key|no|nr|number|code|uuid|ref)$")
POPULATION_NAMES = ("users", "customers", "members", "accounts")

KEY_REMEDY = (
    "Export one row for each key, under the same column name in every file "
    "(if a key has several rows, sum them up)"
)
OWNER_REMEDY = "Move the label with the key into its own file: it is known later than the rest"


def as_identifier(text: str, *, longest: int = MAX_NAME) -> str:
    """Make a name that the catalog accepts from any text.

    >>> as_identifier("Member ID"), as_identifier("2024-visits"), as_identifier("MonthlyFee")
    ('member_id', 'c_2024_visits', 'monthly_fee')
    """
    separated_words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", separated_words.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"c_{name}".rstrip("_")
    return name[:longest].rstrip("_")


def entity_name(key: str, table: str) -> str:
    """Name the entity after its key, or after its table where the key is only `id`.

    >>> entity_name("customer_id", "people"), entity_name("id", "members")
    ('customer', 'member')
    """
    if key != "id":
        return KEY_ENDING.sub("", key)
    return table.removesuffix("s") or table


def check_columns(files: Sequence[FileProfile]) -> None:
    """Raise CatalogInvalid with every column that no catalog can declare."""
    problems = []
    for file in files:
        for column in file.columns:
            problem = _check_column(column)
            if problem:
                problems.append(f"{file.file}: column {column.name!r} {problem}")
    if problems:
        refuse(problems, "Rename these columns in the export (or drop them)")


def _check_column(column: ColumnProfile) -> str | None:
    name = column.name
    if not name:
        return "has no name"
    if name in RESERVED:
        return f"has a name that streamflow uses itself; call it '{name}_given' for example"
    if not IDENTIFIER.fullmatch(name) or len(name) > MAX_NAME:
        return (
            f"does not have a name of at most {MAX_NAME} characters a-z, 0-9 and _; "
            f"call it '{as_identifier(name)}' for example"
        )
    return "holds text with NUL characters" if column.kind is None else None


def find_key(files: Sequence[FileProfile], key: str | None) -> tuple[str, list[str]]:
    """Find the column that is in every file of a drop and unique in each of them.

    `key` is the column that the user named as the key; None: guess it. Raises CatalogInvalid.

    Returns:
        The key, and the remaining columns that could be the key too.
    """
    shared = [
        column.name
        for column in files[0].columns
        if all(file.column(column.name) for file in files)
    ]
    if key is not None and key not in shared:
        incomplete_files = ", ".join(file.file for file in files if not file.column(key))
        refuse(
            [f"the key '{key}' is not a column of {incomplete_files}"],
            "Name a column that every file has",
        )
    candidates = shared if key is None else [key]
    possible_keys = [
        name for name in candidates if all(_column(file, name).can_be_key for file in files)
    ]
    if not possible_keys:
        problem = "no column can be the key: it must be in every file, and different in each row"
        refuse([problem, *_explain_no_key(files, candidates)], KEY_REMEDY)
    best_key, *alternatives = sorted(possible_keys, key=_rank_key)
    return best_key, alternatives


def _explain_no_key(files: Sequence[FileProfile], candidates: Sequence[str]) -> list[str]:
    """Tell why each candidate cannot be the key; without candidates, list the keys of each file."""
    if not candidates:
        lines = ["no column is in every file"]
        for file in files:
            unique_columns = [column.name for column in file.columns if column.can_be_key]
            names = ", ".join(unique_columns) or "none"
            lines.append(f"{file.file}: different in each row are: {names}")
        return lines
    lines = []
    for name in sorted(candidates, key=_rank_key):
        for file in files:
            column = _column(file, name)
            if not column.can_be_key:
                lines.append(f"{file.file}: column '{name}' {_explain_unsuitable_key(column)}")
    return lines


def _explain_unsuitable_key(column: ColumnProfile) -> str:
    if column.empty:
        return f"is empty in {column.empty:,} of {count_of(column.rows, 'row')}"
    if column.kind not in ("int", "string"):
        return f"is of type {column.kind}; a key is int or string"
    distinct = min(column.distinct, column.rows - 1)
    values = count_of(distinct, "different value")
    return f"repeats: about {values} in {count_of(column.rows, 'row')}"


def _rank_key(name: str) -> int:
    """Rank a name as that of a key; the smallest rank is the best."""
    if name == "id" or name.endswith("_id"):
        return 0
    return 1 if KEY_ENDING.search(name) else 2


def find_owner(
    files: Sequence[FileProfile],
    key: str,
    label_file: FileProfile,
    population: int,
) -> FileProfile:
    """Find the entity's own file: it holds all `population` keys, and not the label.

    Raises CatalogInvalid.
    """
    if all(file is label_file for file in files):
        refuse(
            [f"{label_file.file} holds the label and everything else, and is the only file"],
            OWNER_REMEDY,
        )
    # A key occurs once in each file, so it is enough to count the rows.
    complete_files = [file for file in files if file is not label_file and file.rows == population]
    if not complete_files:
        counts = [f"{file.file}: {file.rows:,} of {count_of(population, 'key')}" for file in files]
        problem = (
            f"no file except that of the label holds every '{key}'; "
            "one file must hold the whole population"
        )
        refuse([problem, *counts], "Add the missing keys to one of the files")
    entity = KEY_ENDING.sub("", key)
    return min(complete_files, key=lambda file: _rank_owner(file.file, entity))


def _rank_owner(file: str, entity: str) -> int:
    """Rank the name of a file as that of the population; the smallest rank is the best."""
    stem = file.rsplit(".", 1)[0].lower()
    if stem in (entity, f"{entity}s"):
        return 0
    return 1 if stem in POPULATION_NAMES else 2


def _column(file: FileProfile, name: str) -> ColumnProfile:
    column = file.column(name)
    assert column is not None
    return column


def refuse(problems: Sequence[str], remedy: str) -> Never:
    """Raise CatalogInvalid with all `problems`, and with what to do."""
    raise CatalogInvalid(
        "\n".join(problems),
        violations=list(problems),
        state="No catalog was written.",
        remedy=f"{remedy}, and run 'streamflow init' again.",
    )
