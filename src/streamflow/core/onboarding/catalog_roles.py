"""What the tables of a catalog are guessed from: the key, the label, the entity's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamflow.core.onboarding.column_names import as_identifier, number_name
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.column_roles import KeyGuess, find_owner
from streamflow.core.onboarding.label_column import LabelGuess
from streamflow.core.onboarding.problems import Problem, refuse

MAX_TABLE_NAME = 40  # characters; it leaves room for the ending of the view


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the tables of a catalog are guessed from: the key, the label, the entity's file."""

    files: Sequence[FileProfile]
    key: KeyGuess
    label: LabelGuess
    owner: FileProfile
    population: int
    table_names: dict[str, str]

    def key_column(self, file: FileProfile) -> ColumnProfile:
        """Return the column of the key in a file."""
        column = file.column(self.key.name)
        assert column is not None
        return column


def find_roles(
    files: Sequence[FileProfile],
    events: Sequence[FileProfile],
    *,
    key: KeyGuess,
    label: LabelGuess,
    population: int,
) -> Roles:
    """Find the entity's file, and name a table for each file.

    Raises CatalogInvalid if no file holds the whole population.
    """
    owner = find_owner(files, key.name, label.file, population)
    if isinstance(owner, Problem):
        refuse([owner])
    file_names = [file.file for file in (*files, *events)]
    return Roles(
        files=files,
        key=key,
        label=label,
        owner=owner,
        population=population,
        table_names=table_names(file_names),
    )


def table_names(files: Sequence[str]) -> dict[str, str]:
    """Return a different table name for each file name.

    >>> table_names(["members.csv", "Gym-Visits.csv.gz", "gym visits.csv"])
    {'members.csv': 'members', 'Gym-Visits.csv.gz': 'gym_visits', 'gym visits.csv': 'gym_visits_2'}
    """
    names: dict[str, str] = {}
    for file in files:
        stem = file.removesuffix(".gz").rsplit(".", 1)[0]
        base_name = as_identifier(stem, longest=MAX_TABLE_NAME)
        names[file] = number_name(base_name, names.values(), longest=MAX_TABLE_NAME)
    return names
