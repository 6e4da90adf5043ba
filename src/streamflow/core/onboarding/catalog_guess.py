"""A catalog guessed from profiles: every guess with the words that mark it, for a person to confirm or correct."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from streamflow.catalog import Column, Entity, Label, View
from streamflow.core.onboarding.column_profile import FileProfile, Profile
from streamflow.core.onboarding.column_roles import (
    KEY_ENDING,
    as_identifier,
    entity_name,
    find_label,
    find_owner,
    refuse,
)

VIEW_ENDING = "_fv"
REPEATED = (
    3  # times that a category occurs on average, at least; below that a text is taken for a name
)


@dataclass(frozen=True, kw_only=True)
class ColumnGuess:
    """A column as it will be declared, and what of it is a guess."""

    name: str
    column: Column
    words: str


@dataclass(frozen=True, kw_only=True)
class TableGuess:
    """A file as it will be declared. `view` is None when it feeds no feature."""

    table: str
    file: str
    rows: int
    view: str | None
    columns: tuple[ColumnGuess, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are features."""
        return tuple(c.name for c in self.columns if c.column.view)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A whole catalog. `decisions` is what a person has to look at."""

    model: str
    entity: Entity
    label: Label
    population: int
    tables: tuple[TableGuess, ...]
    decisions: tuple[str, ...]

    @property
    def views(self) -> dict[str, View]:
        """The views, in the order of their tables."""
        return {t.view: View(table=t.table) for t in self.tables if t.view}


def guess(
    files: Sequence[FileProfile],
    *,
    key: str,
    population: int,
    rivals: Sequence[str] = (),
    label: str | None = None,
) -> Guess:
    """Guess everything, given the key, the others that could be it, and how many different keys all files hold together.

    Raises CatalogInvalid where label, entity or features cannot be told.
    """
    label_file, outcome = find_label(files, key, label)
    owner = find_owner(files, key, label_file, population)
    names = table_names([f.file for f in files])
    tables: list[TableGuess] = []
    for file in files:
        taken = {n for t in tables for n in t.features} | {outcome.name}
        served = None if file is label_file else f"{names[file.file]}{VIEW_ENDING}"
        others = [c for c in file.columns if c.name != key]
        columns = [
            guess_column(c, view=served, taken=c.name in taken, missing=population - file.rows)
            for c in others
        ]
        columns = [
            _as_label(c, outcome) if file is label_file and c.name == outcome.name else c
            for c in columns
        ]
        tables.append(_table(file, names[file.file], served, columns))
    if not any(t.features for t in tables):
        refuse(
            ["no column can be a feature: none is a number, a bool or one of few texts"],
            "Export such a column",
        )
    name = entity_name(key, names[owner.file])
    return Guess(
        model=as_identifier(f"{name}_{outcome.name}"),
        entity=_entity(files, key, name, names[owner.file]),
        label=Label(table=names[label_file.file], column=outcome.name),
        population=population,
        tables=tuple(tables),
        decisions=tuple(_decisions(files, rivals, label_file, outcome, population)),
    )


def table_names(files: Sequence[str]) -> dict[str, str]:
    """A table name for each file name, no two equal.

    >>> table_names(["members.csv", "Gym-Visits.csv", "gym visits.csv"])
    {'members.csv': 'members', 'Gym-Visits.csv': 'gym_visits', 'gym visits.csv': 'gym_visits_2'}
    """
    names: dict[str, str] = {}
    for file in files:
        name = as_identifier(file.rsplit(".", 1)[0], longest=40)
        again = (f"{name}_{n}" for n in range(2, len(files) + 2))
        names[file] = (
            name
            if name not in names.values()
            else next(n for n in again if n not in names.values())
        )
    return names


def _entity(files: Sequence[FileProfile], key: str, name: str, table: str) -> Entity:
    keys = [c for f in files for c in f.columns if c.name == key]
    whole = all(c.kind == "int" for c in keys)
    return Entity(
        name=name,
        key=key,
        type="int" if whole else "string",
        max_length=_room(max(c.longest for c in keys), 64),
        table=table,
    )


def _table(
    file: FileProfile, table: str, served: str | None, columns: Sequence[ColumnGuess]
) -> TableGuess:
    view = served if any(c.column.view for c in columns) else None
    return TableGuess(
        table=table, file=file.file, rows=file.rows, view=view, columns=tuple(columns)
    )


def _as_label(column: ColumnGuess, outcome: Profile) -> ColumnGuess:
    return replace(column, words=f"the label, True in {outcome.true:,} of {outcome.rows:,} rows")


def guess_column(
    profile: Profile, *, view: str | None, taken: bool = False, missing: int = 0
) -> ColumnGuess:
    """Declare one column.

    view     the view of its file; None for the label's file, which feeds none
    taken    another file has a feature of this name
    missing  keys that have no row in this file

    >>> fee = Profile(name="fee", rows=9, empty=1, kind="float", low=5.0, high=80.0, longest=4, distinct=8, true=0)
    >>> guess_column(fee, view="plans_fv").words
    'type and min, seen 5 to 80; nullable, 1 cell is empty'
    """
    kind = profile.kind or "string"
    categories = _categories(profile)
    why_not = _why_no_feature(profile, categories, view=view, taken=taken)
    served = None if why_not else view
    nullable = bool(profile.empty) or bool(served and missing)
    column = Column(
        type=kind,
        nullable=nullable,
        min=0 if profile.low is not None and profile.low >= 0 else None,
        categories=categories,
        max_length=_room(profile.longest, 32) if kind == "string" and categories is None else None,
        view=served,
        categorical=bool(served) and (kind == "string" or (kind == "bool" and nullable)),
    )
    words = [_type_words(profile, column), _null_words(profile, missing if served else 0), why_not]
    return ColumnGuess(name=profile.name, column=column, words="; ".join(w for w in words if w))


def _categories(profile: Profile) -> tuple[str, ...] | None:
    full = profile.rows - profile.empty
    few = (
        profile.kind == "string"
        and profile.texts is not None
        and 0 < len(profile.texts) * REPEATED <= full
    )
    return profile.texts if few else None


def _why_no_feature(
    profile: Profile, categories: tuple[str, ...] | None, *, view: str | None, taken: bool
) -> str:
    if profile.kind in ("date", "timestamp"):
        return f"a {profile.kind} is no feature"
    if view is None:
        return "no feature, it stands in the file of the label"
    if taken:
        return "no feature, another file has one of this name"
    if categories is None and (KEY_ENDING.search(profile.name) or profile.name == "id"):
        return "no feature, it looks like the key of something else"
    if profile.kind == "string" and categories is None:
        return (
            "free text is no feature"
            if profile.empty < profile.rows
            else "no feature, it is empty in every row"
        )
    return ""


def _type_words(profile: Profile, column: Column) -> str:
    if column.categories is not None:
        return f"categories, the {len(column.categories)} that were seen"
    if column.max_length is not None:
        return f"max_length, longest seen {profile.longest}"
    if profile.low is not None:
        bound = "type and min" if column.min is not None else "type"
        return f"{bound}, seen {profile.low:.6g} to {profile.high:.6g}"
    return "type"


def _null_words(profile: Profile, missing: int) -> str:
    empty = (
        f"{profile.empty:,} cell{'s are' if profile.empty > 1 else ' is'} empty"
        if profile.empty
        else ""
    )
    absent = f"{missing:,} key{'s have' if missing > 1 else ' has'} no row here" if missing else ""
    reasons = " and ".join(r for r in (empty, absent) if r)
    return f"nullable, {reasons}" if reasons else ""


def _room(longest: int, least: int) -> int:
    """The power of two that leaves twice the length seen."""
    return max(least, 1 << (2 * longest - 1).bit_length()) if longest else least


def _decisions(
    files: Sequence[FileProfile],
    rivals: Sequence[str],
    label_file: FileProfile,
    outcome: Profile,
    population: int,
) -> Iterator[str]:
    if rivals:
        yield f"the key could also be {', '.join(rivals)} (say it with --key)"
    if outcome.true in (0, outcome.rows):
        yield f"the label '{outcome.name}' is {bool(outcome.true)} in every row: list those of the other outcome too"
    if label_file.rows < population:
        yield f"{label_file.file} has {label_file.rows:,} of {population:,} keys: those without a label are not learned from"
    for file in files:
        if re.search(r"\d{4}", file.file):
            yield f"{file.file} seems to hold a date in its name: every drop must use the same file names"
        if file is not label_file and file.rows < population:
            share = f"{file.rows:,} of {population:,} keys"
            yield f"{file.file} has {share}: its features are nullable, and a key without a row has nulls"
        unseen = [c.name for c in file.columns if c.empty == c.rows]
        if unseen:
            yield f"{file.file}: no value was seen in {', '.join(unseen)}: correct the type before the first drop is frozen"
