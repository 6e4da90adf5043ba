"""A catalog guessed from profiles: every guess is described, so that a person can correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamflow.catalog import Column, Entity, Label, View
from streamflow.core.data.catalog_definitions import format_toml
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.catalog_decisions import (
    list_decisions,
    list_file_decisions,
    list_left_out,
)
from streamflow.core.onboarding.catalog_roles import Roles, find_roles
from streamflow.core.onboarding.column_guess import ColumnGuess, FileFacts, guess_column, room_for
from streamflow.core.onboarding.column_names import as_identifier, number_name
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.column_roles import (
    KeyGuess,
    entity_name,
    holds_features,
)
from streamflow.core.onboarding.event_guess import EventsGuess, describe_events, guess_all_events
from streamflow.core.onboarding.format_guess import complete_format
from streamflow.core.onboarding.label_column import LabelGuess, count_true
from streamflow.core.onboarding.problems import Problem, refuse
from streamflow.core.onboarding.table_guess import TableGuess

VIEW_ENDING = "_fv"
MIN_KEY_LENGTH = 64  # the smallest max_length of a key that a guess declares
LEFT_COLUMN = "churned"  # the label that is made of a date of leaving


@dataclass(frozen=True, kw_only=True)
class CatalogGuess:
    """A whole catalog.

    readings   how the files are written, where that is no strict CSV
    decisions  what a person must look at
    left_out   the columns that are no features, and why
    """

    model: str
    entity: Entity
    key_is_made: bool
    label: Label
    label_is_made: bool
    population: int
    tables: tuple[TableGuess, ...]
    events: tuple[EventsGuess, ...]
    readings: tuple[str, ...]
    decisions: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def views(self) -> dict[str, View]:
        """Return the views, in the order of their tables."""
        views = {table.view: View(table=table.table) for table in self.tables if table.view}
        return views | {event.view: View(table=event.table) for event in self.events}


def guess_catalog(
    files: Sequence[FileProfile],
    *,
    key: KeyGuess,
    label: LabelGuess,
    population: int,
    events: Sequence[FileProfile] = (),
) -> CatalogGuess:
    """Guess a whole catalog from the profiles of all files of a drop.

    Args:
        files: those with one row per key.
        population: how many different keys these files hold together.
        events: the files with several rows per key.

    Raises CatalogInvalid if entity, label or features cannot be guessed.
    """
    roles = find_roles(files, events, key=key, label=label, population=population)
    tables = _guess_tables(roles)
    event_guesses = guess_all_events(
        events,
        roles.table_names,
        key=key.name,
        used_names=_list_used_names(roles, tables),
    )
    label_table = next(table for table in tables if table.view is None and _holds(table, label))
    if not event_guesses:
        _require_features(tables)
    entity = _guess_entity(roles)
    label_name = label_table.columns[-1].name if label.is_derived else label.column.name
    return CatalogGuess(
        model=as_identifier(f"{entity.name}_{label_name}"),
        entity=entity,
        key_is_made=key.is_made,
        label=Label(table=label_table.table, column=label_name),
        label_is_made=label.is_derived,
        population=population,
        tables=tuple(tables),
        events=event_guesses,
        readings=tuple(_list_readings([*tables, *event_guesses])),
        decisions=_list_all_decisions(roles, event_guesses),
        left_out=tuple(list_left_out(files, tables, label)),
    )


def _list_used_names(roles: Roles, tables: Sequence[TableGuess]) -> set[str]:
    """Return the names of key, label and features."""
    names = {roles.label.column.name, roles.key.name}
    return names.union(*(table.features for table in tables))


def _list_all_decisions(roles: Roles, events: Sequence[EventsGuess]) -> tuple[str, ...]:
    """Return everything that a person must look at, with the files in their order."""
    key = roles.key
    label = roles.label
    decisions = list(list_decisions(key, label, roles.population, count_true(label)))
    for file in roles.files:
        decisions += list_file_decisions(file, file is label.file, roles.population, key.name)
    if label.file is not roles.owner and holds_features(label.file, roles.owner):
        decisions.append(
            f"{label.file.file} holds the label and features: remove the view of each column that"
            " becomes known only with the outcome"
        )
    decisions += [describe_events(guess) for guess in events]
    return tuple(decisions)


def _holds(table: TableGuess, label: LabelGuess) -> bool:
    """Tell whether a table reads the label."""
    names = [column.name for column in table.columns]
    return table.file == label.file.file and label.column.name in names


def _guess_tables(roles: Roles) -> list[TableGuess]:
    """Declare each file; the file that holds the label and features is two tables."""
    tables: list[TableGuess] = []
    used_names = {roles.label.column.name}
    for file in roles.files:
        name = roles.table_names[file.file]
        is_label_file = file is roles.label.file
        if not is_label_file or holds_features(file, roles.owner):
            table = _guess_feature_table(roles, file, name, used_names)
            tables.append(table)
            used_names |= set(table.features)
            name = number_name(f"{name[:34]}_label", roles.table_names.values())
        if is_label_file:
            tables.append(_guess_label_table(roles, name))
    return tables


def _require_features(tables: Sequence[TableGuess]) -> None:
    if not any(table.features for table in tables):
        problem = "no column can be a feature: none is a number, a bool or one of few texts"
        refuse([Problem(lines=(problem,), remedy="Export such a column")])


def _list_readings(tables: Sequence[TableGuess | EventsGuess]) -> list[str]:
    """Describe how each file is written, where that is no strict CSV."""
    readings = {
        f"{table.file}: {option} = {format_toml(value)}: {table.written.reasons[option]}": None
        for table in tables
        for option, value in table.written.options.items()
        if option in table.written.reasons
    }
    return list(readings)


def _guess_entity(roles: Roles) -> Entity:
    key_columns = [roles.key_column(file) for file in roles.files]
    is_integer = all(column.kind in ("int", "float") for column in key_columns)
    longest = max(column.longest for column in key_columns)
    table = roles.table_names[roles.owner.file]
    return Entity(
        name=table if roles.key.is_made else entity_name(roles.key.name, table),
        key=roles.key.name,
        type="int" if is_integer else "string",
        max_length=room_for(longest, MIN_KEY_LENGTH),
        table=table,
    )


def _guess_feature_table(
    roles: Roles,
    file: FileProfile,
    name: str,
    used_names: set[str],
) -> TableGuess:
    """Declare the columns of a file that can be features; the label is not among them."""
    view = f"{name}{VIEW_ENDING}"
    label_name = roles.label.column.name if file is roles.label.file else None
    columns = [column for column in file.columns if column.name not in (roles.key.name, label_name)]
    written = complete_format(file, columns, key=roles.key_column(file), key_name=roles.key.name)
    facts = FileFacts(
        view=view,
        missing=roles.population - file.rows,
        nulls=written.file_format.nulls,
        taken=used_names,
        outcomes=roles.label.copies,
    )
    guesses = [guess_column(column, facts) for column in columns]
    has_feature = any(guess.column.view for guess in guesses)
    return TableGuess(
        table=name,
        file=file.file,
        rows=file.rows,
        view=view if has_feature else None,
        columns=tuple(guesses),
        written=written,
    )


def _guess_label_table(roles: Roles, name: str) -> TableGuess:
    """Declare the table of the label: none of its columns is a feature."""
    label = roles.label
    file = label.file
    columns = [column for column in file.columns if column.name != roles.key.name]
    if holds_features(file, roles.owner):
        columns = [label.column]
    written = complete_format(
        file,
        columns,
        key=roles.key_column(file),
        key_name=roles.key.name,
        outcome=label.outcome,
    )
    facts = FileFacts(view=None, nulls=written.file_format.nulls)
    guesses = []
    for profile in columns:
        guess = guess_column(profile, facts)
        if profile.name == label.column.name and label.outcome is not None:
            guess = _declare_label(guess, label)
        guesses.append(guess)
    if label.is_derived:
        guesses.append(_derive_label(label, {guess.name for guess in guesses}))
    return TableGuess(
        table=name,
        file=file.file,
        rows=file.rows,
        view=None,
        columns=tuple(guesses),
        written=written,
    )


def _declare_label(guess: ColumnGuess, label: LabelGuess) -> ColumnGuess:
    """Declare the label as a bool."""
    column = Column(type="bool", header=guess.column.header)
    if label.is_derived:
        return replace(guess, column=column, description="True for who stayed")
    share = f"True in {count_true(label):,} of {count_of(label.column.rows, 'row')}"
    column = Column(type="bool", header=guess.column.header)
    return replace(guess, column=column, description=f"the label, {share}")


def _derive_label(label: LabelGuess, used_names: set[str]) -> ColumnGuess:
    """Declare a label that is made when a snapshot freezes.

    It is made of a date of leaving, or of a column that is True for who stayed.
    """
    source = label.column.name
    if label.outcome is not None:
        expression = f"NOT {source}"
        share = f"True in {count_true(label):,} of {count_of(label.column.rows, 'row')}"
        description = f"the label: the opposite of {source}, {share}"
    else:
        date = source if label.column.kind == "date" else f"({source} AT TIME ZONE 'UTC')::date"
        expression = f"coalesce({date} <= as_of, false)"
        share = f"set in {count_true(label):,} of {count_of(label.column.rows, 'row')}"
        description = f"the label: left until the day of the drop; {source} is {share}"
    return ColumnGuess(
        name=number_name(LEFT_COLUMN, used_names),
        column=Column(type="bool", expr=expression),
        description=description,
    )
