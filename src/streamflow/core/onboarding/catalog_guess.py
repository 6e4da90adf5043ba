"""A catalog guessed from profiles: every guess is described, so that a person can correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamflow.catalog import Entity, Label, View
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.catalog_decisions import list_decisions
from streamflow.core.onboarding.column_guess import ColumnGuess, guess_column, room_for
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.column_roles import as_identifier, entity_name, find_owner, refuse
from streamflow.core.onboarding.label_column import find_label

VIEW_ENDING = "_fv"
MAX_TABLE_NAME = 40  # characters; it leaves room for the ending of the view
MIN_KEY_LENGTH = 64  # the smallest max_length of a key that a guess declares


@dataclass(frozen=True, kw_only=True)
class TableGuess:
    """A file as it will be declared. `view` is None when the file feeds no feature."""

    table: str
    file: str
    rows: int
    view: str | None
    columns: tuple[ColumnGuess, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """List the columns that are features."""
        return tuple(column.name for column in self.columns if column.column.view)


@dataclass(frozen=True, kw_only=True)
class CatalogGuess:
    """A whole catalog. `decisions` lists what a person must look at."""

    model: str
    entity: Entity
    label: Label
    population: int
    tables: tuple[TableGuess, ...]
    decisions: tuple[str, ...]

    @property
    def views(self) -> dict[str, View]:
        """Return the views, in the order of their tables."""
        return {table.view: View(table=table.table) for table in self.tables if table.view}


def guess_catalog(
    files: Sequence[FileProfile],
    *,
    key: str,
    population: int,
    alternative_keys: Sequence[str] = (),
    label: str | None = None,
) -> CatalogGuess:
    """Guess a whole catalog from the profiles of all files of a drop.

    Args:
        population: how many different keys all files hold together.
        alternative_keys: the columns that could be the key too.
        label: the column that the user named as the label; None: guess it.

    Raises CatalogInvalid if label, entity or features cannot be guessed.
    """
    label_file, label_column = find_label(files, key, label)
    owner = find_owner(files, key, label_file, population)
    names = table_names([file.file for file in files])
    tables: list[TableGuess] = []
    used_names = {label_column.name}
    for file in files:
        name = names[file.file]
        if file is label_file:
            table = _guess_label_table(file, name, key, label_column)
        else:
            table = _guess_feature_table(file, name, key, used_names, population)
        used_names |= set(table.features)
        tables.append(table)
    _require_features(tables)
    decisions = list_decisions(files, alternative_keys, label_file, label_column, population)
    entity = _guess_entity(files, key, names[owner.file])
    return CatalogGuess(
        model=as_identifier(f"{entity.name}_{label_column.name}"),
        entity=entity,
        label=Label(table=names[label_file.file], column=label_column.name),
        population=population,
        tables=tuple(tables),
        decisions=tuple(decisions),
    )


def _require_features(tables: Sequence[TableGuess]) -> None:
    if not any(table.features for table in tables):
        problem = "no column can be a feature: none is a number, a bool or one of few texts"
        refuse([problem], "Export such a column")


def table_names(files: Sequence[str]) -> dict[str, str]:
    """Return a different table name for each file name.

    >>> table_names(["members.csv", "Gym-Visits.csv", "gym visits.csv"])
    {'members.csv': 'members', 'Gym-Visits.csv': 'gym_visits', 'gym visits.csv': 'gym_visits_2'}
    """
    names: dict[str, str] = {}
    for file in files:
        stem = file.rsplit(".", 1)[0]
        base_name = as_identifier(stem, longest=MAX_TABLE_NAME)
        name = base_name
        number = 2
        while name in names.values():
            name = f"{base_name}_{number}"
            number += 1
        names[file] = name
    return names


def _guess_entity(files: Sequence[FileProfile], key: str, table: str) -> Entity:
    key_columns = [column for file in files for column in file.columns if column.name == key]
    is_integer = all(column.kind == "int" for column in key_columns)
    longest = max(column.longest for column in key_columns)
    return Entity(
        name=entity_name(key, table),
        key=key,
        type="int" if is_integer else "string",
        max_length=room_for(longest, MIN_KEY_LENGTH),
        table=table,
    )


def _guess_feature_table(
    file: FileProfile,
    name: str,
    key: str,
    used_names: set[str],
    population: int,
) -> TableGuess:
    """Declare a file whose columns can be features."""
    view = f"{name}{VIEW_ENDING}"
    columns = [
        guess_column(
            column,
            view=view,
            taken=column.name in used_names,
            missing=population - file.rows,
        )
        for column in file.columns
        if column.name != key
    ]
    has_feature = any(column.column.view for column in columns)
    return TableGuess(
        table=name,
        file=file.file,
        rows=file.rows,
        view=view if has_feature else None,
        columns=tuple(columns),
    )


def _guess_label_table(file: FileProfile, name: str, key: str, label: ColumnProfile) -> TableGuess:
    """Declare the file of the label: none of its columns is a feature."""
    columns = []
    for profile in file.columns:
        if profile.name == key:
            continue
        column = guess_column(profile, view=None)
        if profile.name == label.name:
            share = f"True in {label.true:,} of {count_of(label.rows, 'row')}"
            column = replace(column, description=f"the label, {share}")
        columns.append(column)
    return TableGuess(table=name, file=file.file, rows=file.rows, view=None, columns=tuple(columns))
