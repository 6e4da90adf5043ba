"""Guess which column is the label, and which file holds it, from names and contents.

Where no guess is possible, the problem lists the columns that were examined.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.outcome_words import Outcome, split_values
from streamflow.core.onboarding.problems import Problem

# A column with such a name speaks of the outcome: it is the label, or it would give the label away.
OUTCOME_NAME = re.compile(r"churn|attrition|attrited|(^|_)exited($|_)")
LABEL_NAME = re.compile(
    r"churn|attrit|exited|cancel|kuendig|unsubscrib"
    r"|^(label|left|target|lapsed|quit|outcome|gone|status|y)$|_(label|target|outcome)$"
)
DATE_NAME = re.compile(
    r"churn|attrit|cancel|exit|left|leav|terminat|clos|unsubscrib|kuendig|austritt"
    r"|(^|_)end(ed)?($|_)"
)
LABEL_REMEDY = "Name the label with --label COLUMN, or with --label COLUMN=VALUE, where VALUE is "
LABEL_REMEDY += "what the column holds for a customer who left"
SHOWN_TEXTS = 4
SHOWN_COLUMNS = 12

# A column with at most this many distinct values looks like an outcome in different words.
OUTCOME_VALUES = 2

FileColumn = tuple[FileProfile, ColumnProfile]


@dataclass(frozen=True, kw_only=True)
class LabelGuess:
    """The label and the file that holds it.

    outcome  the words for True and False; None: the column is the date of leaving
    copies   the names of columns that say the same as the label
    """

    file: FileProfile
    column: ColumnProfile
    outcome: Outcome | None
    copies: tuple[str, ...] = ()

    @property
    def is_derived(self) -> bool:
        """Return whether the label is made of the column, by an expression."""
        return self.outcome is None or self.outcome.is_contradictory


def find_label(files: Sequence[FileProfile], key: str, label: str | None) -> LabelGuess | Problem:
    """Find the label and the file that holds it.

    Args:
        files: all files of a drop.
        key: the name of the key.
        label: the column that the user named as the label, alone or as COLUMN=VALUE; None: guess.
    """
    if label is not None:
        return _find_named_label(files, key, label)
    named_columns = [
        guess for guess in _outcome_columns(files, key) if LABEL_NAME.search(guess.column.name)
    ]
    best = _choose(named_columns)
    if best:
        return best
    dates = [
        LabelGuess(file=file, column=column, outcome=None)
        for file, column in _all_columns(files)
        if column.kind in ("date", "timestamp") and column.empty and DATE_NAME.search(column.name)
    ]
    if not named_columns and len(dates) == 1:
        return dates[0]
    # Two columns are the key and the label.
    alone = [
        guess
        for guess in named_columns or _outcome_columns(files, key)
        if len(guess.file.columns) == 2
    ]
    if len(alone) == 1:
        return alone[0]
    return _describe_no_label(files, key, [*named_columns, *dates])


def _outcome_columns(files: Sequence[FileProfile], key: str) -> list[LabelGuess]:
    """List each column whose values say who left, and who did not."""
    guesses = []
    for file, column in _all_columns(files):
        if column.name == key or column.missing or column.texts is None:
            continue
        outcome = split_values(column.texts, name=column.name)
        if outcome:
            guesses.append(LabelGuess(file=file, column=column, outcome=outcome))
    return guesses


def _choose(guesses: Sequence[LabelGuess]) -> LabelGuess | None:
    """Choose the column that is named most clearly; None if several are.

    Several columns may say the same in different words: then it is the first of them.
    """
    clear = [guess for guess in guesses if OUTCOME_NAME.search(guess.column.name)] or list(guesses)
    if not clear:
        return None
    first = clear[0]
    equal = [guess for guess in guesses if _say_the_same(guess, first)]
    if any(guess not in equal for guess in clear):
        return None
    copies = tuple(guess.column.name for guess in equal if guess is not first)
    return LabelGuess(file=first.file, column=first.column, outcome=first.outcome, copies=copies)


def _say_the_same(guess: LabelGuess, label: LabelGuess) -> bool:
    """Tell whether two columns of one file seem to hold the same outcome in different words."""
    is_same_file = guess.file.file == label.file.file
    return is_same_file and count_true(guess) == count_true(label)


def count_true(guess: LabelGuess) -> int:
    """Return how many rows say that the customer left. Of a date: in how many it is set."""
    if guess.outcome is None:
        return guess.column.fitting
    return sum(map(guess.column.count_value, guess.outcome.true))


def _find_named_label(files: Sequence[FileProfile], key: str, label: str) -> LabelGuess | Problem:
    """Find the label that the user named."""
    true_value = None
    columns = _columns_called(files, label)
    if not columns and "=" in label:
        name, _, true_value = label.rpartition("=")
        columns = _columns_called(files, name)
    else:
        name = label
    if not columns:
        line = f"no column {name!r}{_suggest(files, name)}"
        return Problem(lines=(line,), remedy="Correct --label")
    if len(columns) > 1:
        lines = [f"{file.file}: column {column.header!r}" for file, column in columns]
        problem = f"the label {name!r} is a column of {count_of(len(columns), 'file')}"
        return Problem(lines=(problem, *lines), remedy="Leave it in one of the files")
    file, column = columns[0]
    if column.kind in ("date", "timestamp") and true_value is None:
        return _add_copies(LabelGuess(file=file, column=column, outcome=None), files, key)
    texts = None if column.missing else column.texts
    outcome = split_values(texts or (), name=column.name, true_value=true_value)
    if outcome is None:
        problem = f"the label {name!r} must say in every row who left and who stayed"
        described = _describe_columns(columns)
        return Problem(lines=(problem, *described), remedy=LABEL_REMEDY)
    return _add_copies(LabelGuess(file=file, column=column, outcome=outcome), files, key)


def _add_copies(label: LabelGuess, files: Sequence[FileProfile], key: str) -> LabelGuess:
    """Name the columns that seem to say the same as the label: none of them may be a feature."""
    copies = [
        guess.column.name
        for guess in _outcome_columns(files, key)
        if guess.column is not label.column and _say_the_same(guess, label)
    ]
    return replace(label, copies=tuple(copies))


def _columns_called(files: Sequence[FileProfile], name: str) -> list[FileColumn]:
    """Return the columns with this header, or else those with this name."""
    columns = [pair for pair in _all_columns(files) if pair[1].header == name]
    return columns or [pair for pair in _all_columns(files) if pair[1].name == name]


def _suggest(files: Sequence[FileProfile], name: str) -> str:
    """Return the question for the column that the user may have meant; empty without one."""
    headers = {column.header.lower(): column.header for _, column in _all_columns(files)}
    close_names = difflib.get_close_matches(name.lower(), headers, n=1)
    return f"; did you mean {headers[close_names[0]]!r}?" if close_names else ""


def _describe_no_label(
    files: Sequence[FileProfile],
    key: str,
    possible_labels: Sequence[LabelGuess],
) -> Problem:
    """List the columns that could all be the label, or else those that nearly could."""
    if possible_labels:
        problem = "no column is clearly the label"
        lines = [
            f"{guess.file.file}: column {guess.column.header!r} could be the label; it "
            + _describe_content(guess.column)
            for guess in possible_labels
        ]
        return Problem(lines=(problem, *lines), remedy=LABEL_REMEDY)
    problem = "no label found: a label says in every row who left and who stayed"
    similar_columns = [
        (file, column)
        for file, column in _all_columns(files)
        if column.name != key
        and (
            (column.values is not None and len(column.values) <= OUTCOME_VALUES)
            or LABEL_NAME.search(column.name)
        )
    ]
    similar_columns.sort(key=lambda pair: not LABEL_NAME.search(pair[1].name))
    shown = _describe_columns(similar_columns[:SHOWN_COLUMNS])
    if len(similar_columns) > SHOWN_COLUMNS:
        shown.append(f"… and {len(similar_columns) - SHOWN_COLUMNS} more columns of two values")
    return Problem(lines=(problem, *shown), remedy=LABEL_REMEDY)


def _all_columns(files: Sequence[FileProfile]) -> Iterator[FileColumn]:
    for file in files:
        for column in file.columns:
            yield file, column


def _describe_columns(columns: Sequence[FileColumn]) -> list[str]:
    """Tell what each examined column holds."""
    return [
        f"{file.file}: column {column.header!r} {_describe_content(column)}"
        for file, column in columns
    ]


def _describe_content(column: ColumnProfile) -> str:
    if column.missing and column.values is not None and len(column.values) <= OUTCOME_VALUES:
        return f"is empty in {column.missing:,} of {count_of(column.rows, 'row')}"
    if column.values is not None:
        values = [value for value, _ in column.values]
        texts = ", ".join(map(repr, values[:SHOWN_TEXTS])) or "nothing"
        ellipsis = ", …" if len(values) > SHOWN_TEXTS else ""
        return f"holds {texts}{ellipsis}"
    span = f" from {column.low:g} to {column.high:g}" if column.low is not None else ""
    return f"is of type {column.kind}{span}"
