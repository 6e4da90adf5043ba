"""Which column is the key, which is the label, and which file is the entity's own: guessed from names and contents.

What cannot be guessed is an error that lists what was looked at; no catalog is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Never

from streamflow.catalog import RESERVED
from streamflow.core.onboarding.column_profile import FileProfile, Profile
from streamflow.errors import CatalogInvalid

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
LONGEST = 48  # characters of a name in the catalog
KEY_ENDING = re.compile(r"_(id|key|no|nr|number|code|uuid|ref)$")
LABEL_WORD = re.compile(
    r"churn|cancel|^(label|left|target|lapsed|quit|outcome|attrition|attrited)$"
)
POPULATIONS = ("users", "customers", "members", "accounts")


def as_identifier(text: str, *, longest: int = LONGEST) -> str:
    """A name that the catalog accepts, made from any text.

    >>> as_identifier("Member ID"), as_identifier("2024-visits"), as_identifier("MonthlyFee")
    ('member_id', 'c_2024_visits', 'monthly_fee')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return (name if name[:1].isalpha() else f"c_{name}".rstrip("_"))[:longest].rstrip("_")


def entity_name(key: str, table: str) -> str:
    """What a row is about.

    >>> entity_name("customer_id", "people"), entity_name("id", "members")
    ('customer', 'member')
    """
    if key != "id":
        return KEY_ENDING.sub("", key)
    return table.removesuffix("s") or table


def check_columns(files: Sequence[FileProfile]) -> None:
    """Raise CatalogInvalid with every column that no catalog can declare."""
    problems = [
        f"{f.file}: column {c.name!r} {why}"
        for f in files
        for c in f.columns
        if (why := _undeclarable(c))
    ]
    if problems:
        refuse(problems, "Rename them in the export (or drop them)")


def _undeclarable(column: Profile) -> str | None:
    name = column.name
    if not name:
        return "has no name"
    if name in RESERVED:
        return f"has a name that streamflow uses itself; call it '{name}_given' for example"
    if not IDENTIFIER.fullmatch(name) or len(name) > LONGEST:
        return f"is no name of at most {LONGEST} characters a-z, 0-9 and _; call it '{as_identifier(name)}' for example"
    return "holds text with NUL characters" if column.kind is None else None


def find_key(files: Sequence[FileProfile], wanted: str | None) -> tuple[str, list[str]]:
    """The column that is in every file and unique in each, and the others that could be the key too. Raises CatalogInvalid."""
    shared = [c.name for c in files[0].columns if all(f.column(c.name) for f in files)]
    if wanted is not None and wanted not in shared:
        lacking = ", ".join(f.file for f in files if not f.column(wanted))
        refuse(
            [f"the key '{wanted}' is no column of {lacking}"], "Name a column that every file has"
        )
    asked = shared if wanted is None else [wanted]
    possible = [name for name in asked if all(_column(f, name).can_be_key for f in files)]
    if not possible:
        refuse(
            [
                "no column can be the key: in every file, and different in each row",
                *_why_no_key(files, asked),
            ],
            KEY_REMEDY,
        )
    best, *others = sorted(possible, key=_unlike_a_key)
    return best, others


KEY_REMEDY = "Export one row for each key, under the same column name in every file (sum up what has several rows)"


def _why_no_key(files: Sequence[FileProfile], shared: Sequence[str]) -> list[str]:
    """What stands against each column that is in every file, or what each file could be keyed by."""
    if not shared:
        unique = {
            f.file: ", ".join(c.name for c in f.columns if c.can_be_key) or "none" for f in files
        }
        return [
            "no column is in every file",
            *(f"{file}: different in each row are: {names}" for file, names in unique.items()),
        ]
    return [
        f"{f.file}: column '{name}' {_why_not(_column(f, name))}"
        for name in sorted(shared, key=_unlike_a_key)
        for f in files
        if not _column(f, name).can_be_key
    ]


def _why_not(column: Profile) -> str:
    if column.empty:
        return f"is empty in {column.empty:,} of {column.rows:,} rows"
    if column.kind not in ("int", "string"):
        return f"is of type {column.kind}; a key is int or string"
    return f"repeats: about {min(column.distinct, column.rows - 1):,} different values in {column.rows:,} rows"


def _unlike_a_key(name: str) -> int:
    return 0 if name == "id" or name.endswith("_id") else 1 if KEY_ENDING.search(name) else 2


def find_label(
    files: Sequence[FileProfile], key: str, wanted: str | None
) -> tuple[FileProfile, Profile]:
    """The label and the file that holds it: a bool that is never empty, by its name or alone in its file. Raises CatalogInvalid."""
    bools = [
        (f, c)
        for f in files
        for c in f.columns
        if c.kind == "bool" and not c.empty and wanted in (None, c.name)
    ]
    named = [(f, c) for f, c in bools if wanted or LABEL_WORD.search(c.name)]
    alone = [(f, c) for f, c in named or bools if len(f.columns) == 2]
    found = named if len(named) == 1 else alone
    if len(found) != 1:
        _refuse_label(files, key, wanted, named or bools)
    return found[0]


def _refuse_label(
    files: Sequence[FileProfile],
    key: str,
    wanted: str | None,
    possible: Sequence[tuple[FileProfile, Profile]],
) -> Never:
    """Say which columns were looked at: several that could be the label, or those that would be if they were True and False."""
    if possible:
        listed = [f"{f.file}: column '{c.name}' could be it" for f, c in possible]
        named = [
            (f, c)
            for f in files
            for c in f.columns
            if LABEL_WORD.search(c.name) and (f, c) not in possible
        ]
        remedy = "Write the outcome as True and False" if named else "Say it with --label COLUMN"
        refuse(["which column is the label cannot be told", *_near(named), *listed], remedy)
    if wanted is not None:
        near = [(f, c) for f in files for c in f.columns if c.name == wanted]
        refuse(
            [f"the label '{wanted}' must be True or False in every row", *_near(near)], LABEL_REMEDY
        )
    near = [
        (f, c)
        for f in files
        for c in f.columns
        if c.name != key and (c.distinct <= 3 or LABEL_WORD.search(c.name))
    ]
    refuse(
        ["no label found: a column that is True or False in every row", *_near(near)], LABEL_REMEDY
    )


LABEL_REMEDY = "Write the outcome as True and False, a row for each key, in a file of its own"


def _near(columns: Sequence[tuple[FileProfile, Profile]]) -> list[str]:
    """What was looked at, and what it holds instead."""
    return [f"{f.file}: column '{c.name}' {_holds(c)}" for f, c in columns]


def _holds(column: Profile) -> str:
    if column.kind == "bool":
        return f"is empty in {column.empty:,} of {column.rows:,} rows"
    if column.texts is not None:
        return (
            "holds "
            + (", ".join(map(repr, column.texts[:4])) or "nothing")
            + (", …" if len(column.texts) > 4 else "")
        )
    span = f" from {column.low:g} to {column.high:g}" if column.low is not None else ""
    return f"is of type {column.kind}{span}"


def find_owner(
    files: Sequence[FileProfile], key: str, label_file: FileProfile, population: int
) -> FileProfile:
    """The entity's own file: it holds all `population` keys, and is not the label's. Raises CatalogInvalid."""
    if not any(f is not label_file for f in files):
        refuse(
            [f"{label_file.file} holds the label and everything else, and is the only file"],
            SPLIT_REMEDY,
        )
    whole = [
        f for f in files if f is not label_file and f.rows == population
    ]  # a key occurs once, so counting is enough
    if not whole:
        counts = [f"{f.file}: {f.rows:,} of {population:,} keys" for f in files]
        words = f"no file but the label's holds every '{key}'; one has to be the whole population"
        refuse([words, *counts], "Add the missing keys to one of the files")
    like = KEY_ENDING.sub("", key)
    return min(whole, key=lambda f: _unlike_a_population(f.file.rsplit(".", 1)[0].lower(), like))


SPLIT_REMEDY = "Move the label with the key into a file of its own: it is known later than the rest"


def _unlike_a_population(stem: str, like: str) -> int:
    return 0 if stem in (like, f"{like}s") else 1 if stem in POPULATIONS else 2


def _column(file: FileProfile, name: str) -> Profile:
    found = file.column(name)
    assert found is not None
    return found


def refuse(problems: Sequence[str], remedy: str) -> Never:
    """Say all `problems`, and what to do."""
    again = f"{remedy}, and run 'streamflow init' again."
    raise CatalogInvalid(
        "\n".join(problems),
        violations=list(problems),
        state="No catalog was written.",
        remedy=again,
    )
