"""Guess how a file with several rows per key is declared: as events, with aggregates of them.

The aggregates are proposals. Each is a line of the catalog that a person can change or remove.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streamflow.catalog import Aggregate, Column
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_batch import FEW_REPEATS
from streamflow.core.onboarding.column_guess import ColumnGuess, FileFacts, guess_column
from streamflow.core.onboarding.column_names import as_identifier, number_name
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.column_roles import KEY_ENDING, rank_key
from streamflow.core.onboarding.format_guess import FormatGuess, complete_format
from streamflow.expression import MAX_CHARACTERS, find_lags

WINDOWS = (30, 90)  # days of the counts
SUM_DAYS = 90  # days of a sum
MAX_COUNTED = 6  # a column of more categories gets no count of each
TIME_KINDS = ("timestamp", "date")


@dataclass(frozen=True, kw_only=True)
class AggregateGuess:
    """One proposed aggregate, and what it means in words."""

    name: str
    aggregate: Aggregate
    description: str


@dataclass(frozen=True, kw_only=True)
class EventsGuess:
    """A file of events as it will be declared. The columns are those of the file."""

    table: str
    file: str
    rows: int
    time: str
    view: str
    columns: tuple[ColumnGuess, ...]
    aggregates: tuple[AggregateGuess, ...]
    written: FormatGuess

    @property
    def features(self) -> tuple[str, ...]:
        """Return the names of the proposed aggregates."""
        return tuple(aggregate.name for aggregate in self.aggregates)


@dataclass(frozen=True, kw_only=True)
class DividedFiles:
    """The files of a drop: those with one row per key, and those of events.

    key  the key that divides them so; None: there are no events
    """

    entities: tuple[FileProfile, ...]
    events: tuple[FileProfile, ...] = ()
    key: str | None = None


def divide_files(files: Sequence[FileProfile], key: str | None) -> DividedFiles:
    """Find the files of events: they repeat the key of the rest, and say when each row happened.

    Args:
        key: header or name of the key that the user named; None: guess it.
    """
    for name in sorted(_list_shared_names(files, key), key=rank_key):
        events = [file for file in files if not _is_unique(file, name)]
        entities = [file for file in files if _is_unique(file, name)]
        population = max((file.rows for file in entities), default=0)
        if entities and events and all(_is_events(file, name, population) for file in events):
            return DividedFiles(entities=tuple(entities), events=tuple(events), key=name)
    return DividedFiles(entities=tuple(files))


def _list_shared_names(files: Sequence[FileProfile], key: str | None) -> list[str]:
    """Return the names of the columns that every file has, or only that of a named key."""
    names = []
    for column in files[0].columns:
        is_possible = key is None or key in (column.name, column.header)
        if is_possible and all(file.column(column.name) for file in files):
            names.append(column.name)
    return names


def _is_unique(file: FileProfile, name: str) -> bool:
    column = file.column(name)
    return column is not None and column.can_be_key


def _is_events(file: FileProfile, key: str, population: int) -> bool:
    """Tell whether every row has a key, and a column says when it happened.

    Args:
        population: the number of keys. A file of about so many rows that hardly repeats a key has
            one row per key, and some rows twice by mistake.
    """
    column = file.column(key)
    if column is None or column.empty or find_time(file) is None:
        return False
    has_few_repeats = column.repeats is not None and column.repeats <= FEW_REPEATS * file.rows
    is_population = abs(file.rows - population) <= FEW_REPEATS * population
    return not (has_few_repeats and is_population)


def find_time(file: FileProfile) -> ColumnProfile | None:
    """Return the first column that holds an instant, or else a date, in every row."""
    for kind in TIME_KINDS:
        for column in file.columns:
            if column.kind == kind and not column.missing and not column.odd_cells:
                return column
    return None


def guess_all_events(
    files: Sequence[FileProfile],
    table_names: Mapping[str, str],
    *,
    key: str,
    used_names: Collection[str],
) -> tuple[EventsGuess, ...]:
    """Declare each file of events; no aggregate has a name that is used already.

    Args:
        table_names: the name of a file -> the name of its table.
        used_names: the names of key, label and features.
    """
    taken = set(used_names)
    guesses = []
    for file in files:
        table = table_names[file.file]
        guess = guess_events(file, table, key=key, used_names=taken)
        taken.update(guess.features)
        guesses.append(guess)
    return tuple(guesses)


def describe_events(guess: EventsGuess) -> str:
    """Say that a file was taken for events, and what the user has to look at."""
    aggregates = count_of(len(guess.aggregates), "aggregate is", "aggregates are")
    return (
        f"{guess.file}: it has several rows per key, so its rows are events of {guess.time!r};"
        f" {aggregates} proposed: remove those that you do not need"
    )


def guess_events(
    file: FileProfile,
    table: str,
    *,
    key: str,
    used_names: Collection[str],
) -> EventsGuess:
    """Declare a file of events, with proposals for aggregates.

    Args:
        key: the name of the key in the catalog.
        used_names: the names of the features of all other tables.
    """
    time = find_time(file)
    key_column = file.column(key)
    assert time is not None
    assert key_column is not None
    profiles = [column for column in file.columns if column.name != key]
    written = complete_format(file, profiles, key=key_column, key_name=key)
    facts = FileFacts(view=None, nulls=written.file_format.nulls)
    guesses = [guess_column(profile, facts) for profile in profiles]
    columns = [_describe_type_only(guess) for guess in guesses]
    view = f"{table}_fv"
    aggregates: list[AggregateGuess] = []
    taken = set(used_names)
    for name, options, description in _propose(table, columns):
        identifier = as_identifier(name)
        free_name = number_name(identifier, taken)
        taken.add(free_name)
        aggregate = Aggregate.model_validate({**options, "view": view})
        aggregates.append(
            AggregateGuess(name=free_name, aggregate=aggregate, description=description)
        )
    return EventsGuess(
        table=table,
        file=file.file,
        rows=file.rows,
        time=time.name,
        view=view,
        columns=tuple(columns),
        aggregates=tuple(aggregates),
        written=written,
    )


def _describe_type_only(guess: ColumnGuess) -> ColumnGuess:
    """Leave out why the column is no feature: no column of an event is one."""
    description = guess.description.removesuffix(f"not a feature: {guess.exclusion}")
    return replace(guess, description=description.removesuffix("; "), exclusion="")


Proposal = tuple[str, dict[str, object], str]  # name, options of the aggregate, meaning


def _propose(table: str, columns: Sequence[ColumnGuess]) -> Iterator[Proposal]:
    """Propose aggregates of all rows, then of each column."""
    for days in WINDOWS:
        options: dict[str, object] = {"count": "true", "days": days}
        yield f"{table}_{days}d", options, f"rows of the last {days} days"
    yield (
        f"days_since_{table}",
        {"days_since": "true", "nullable": True},
        "days since the newest row",
    )
    for guess in columns:
        column = guess.column
        if column.type in ("int", "float") and not KEY_ENDING.search(guess.name):
            yield from _propose_of_number(guess.name)
        elif column.type == "bool":
            options = {"count": guess.name, "days": SUM_DAYS}
            yield f"{guess.name}_{SUM_DAYS}d", options, f"rows of {SUM_DAYS} days that are true"
        elif column.categories is not None:
            yield from _propose_of_categories(guess.name, column)


def _propose_of_number(name: str) -> Iterator[Proposal]:
    options: dict[str, object] = {"sum": name, "days": SUM_DAYS}
    yield f"{name}_sum_{SUM_DAYS}d", options, f"sum of the last {SUM_DAYS} days"
    yield f"{name}_mean", {"mean": name, "nullable": True}, "mean of all rows"


def _propose_of_categories(name: str, column: Column) -> Iterator[Proposal]:
    categories = column.categories or ()
    if len(categories) <= MAX_COUNTED:
        for category in categories:
            literal = category.replace("'", "''")
            condition = f"{name} = '{literal}'"
            if len(condition) > MAX_CHARACTERS or find_lags(condition):
                continue  # the catalog refuses such a condition
            options: dict[str, object] = {"count": condition, "days": SUM_DAYS}
            yield f"{name}_{category}_{SUM_DAYS}d", options, f"rows of {SUM_DAYS} days"
    yield (
        f"last_{name}",
        {"type": "string", "last": name, "nullable": True, "categorical": True},
        "the newest value",
    )
