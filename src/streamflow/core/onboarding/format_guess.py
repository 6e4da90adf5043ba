"""Guess the words of a file: which cells mean a null, True or False, and which blanks to remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamflow.catalog import FileFormat
from streamflow.catalog.file_format import BLANKS, MAX_WORDS
from streamflow.core.data.contract import quote_cell
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.cell_style import is_null_word
from streamflow.core.onboarding.column_profile import (
    SHOWN_ODD,
    ColumnProfile,
    FileProfile,
)
from streamflow.core.onboarding.outcome_words import Outcome
from streamflow.core.onboarding.problems import Problem, refuse

MAX_WORD = 64  # characters of a word in the catalog


@dataclass(frozen=True, kw_only=True)
class FormatGuess:
    """How the file of a table is written, and what decided each option."""

    file_format: FileFormat
    reasons: dict[str, str]

    @property
    def options(self) -> dict[str, object]:
        """Return the options that differ from strict CSV, in the order of the catalog."""
        return self.file_format.model_dump(exclude_defaults=True)


def complete_format(
    file: FileProfile,
    columns: Sequence[ColumnProfile],
    *,
    key: ColumnProfile,
    key_name: str,
    outcome: Outcome | None = None,
) -> FormatGuess:
    """Add the words to a format.

    Args:
        file: the file with the format by which it was read.
        columns: the columns that the table reads, without the key.
        key: the column of the key.
        key_name: the name of the key in the catalog.
        outcome: the words of the label, if the table holds it.

    Raises CatalogInvalid if a catalog cannot declare the words of the label.
    """
    options: dict[str, object] = {"key_header": None}
    reasons = dict(file.reasons)
    _add_key_options(options, reasons, key, key_name)
    padded = [column for column in columns if column.padded]
    if padded and not file.file_format.trim:
        options["trim"] = True
        count = count_of(sum(column.padded for column in padded), "cell has", "cells have")
        reasons["trim"] = f"{count} blanks around a value"
    trims = bool(padded) or file.file_format.trim
    nulls = _find_nulls(columns, trims=trims)
    if nulls:
        options["nulls"] = tuple(nulls)
        reasons["nulls"] = f"where other cells are of a type: {', '.join(nulls.values())}"
    if outcome:
        _refuse_impossible_words(file, outcome, nulls)
    _add_bool_options(options, reasons, columns, outcome)
    return FormatGuess(file_format=file.file_format.model_copy(update=options), reasons=reasons)


def _add_key_options(
    options: dict[str, object],
    reasons: dict[str, str],
    key: ColumnProfile,
    key_name: str,
) -> None:
    """Add the options of the key's column, and why they are set."""
    if key.header != key_name:
        options["key_header"] = key.header
        reasons["key_header"] = "the key's name in this file"
    if key.kind == "float":
        options["whole_floats"] = True
        reasons["whole_floats"] = f"each {key.header!r} is whole, but written like 1.0"


def _add_bool_options(
    options: dict[str, object],
    reasons: dict[str, str],
    columns: Sequence[ColumnProfile],
    outcome: Outcome | None,
) -> None:
    """Add the words for True and False, and why they are set."""
    left_option, stayed_option = "true", "false"
    if outcome and outcome.is_contradictory:
        # The column keeps its meaning; the label is made of it.
        left_option, stayed_option = stayed_option, left_option
        outcome = Outcome(true=outcome.false, false=outcome.true)
    true, false = _find_bool_words(columns, outcome)
    if true:
        options["true"] = true
        reasons["true"] = "besides True"
    if false:
        options["false"] = false
        reasons["false"] = "besides False"
    if outcome:
        reasons |= {left_option: "who left", stayed_option: "who stayed"}


def _refuse_impossible_words(file: FileProfile, outcome: Outcome, nulls: Mapping[str, str]) -> None:
    """Raise CatalogInvalid if a word of the label is too long, or means a null in other columns."""
    problems = []
    for word in (*outcome.true, *outcome.false):
        shown = f"{file.file}: the label holds {quote_cell(word)}"
        if len(word) > MAX_WORD:
            line = f"{shown}, and a word for True or False has at most {MAX_WORD} characters"
            problem = Problem(
                lines=(line,),
                remedy="Export a shorter word",
            )
            problems.append(problem)
        elif word in nulls:
            line = f"{shown}, which means a null where other cells are of a type: {nulls[word]}"
            problem = Problem(
                lines=(line,),
                remedy="Export an empty cell where a value is missing",
            )
            problems.append(problem)
    if problems:
        refuse(problems)


def _find_nulls(columns: Sequence[ColumnProfile], *, trims: bool) -> dict[str, str]:
    """Return word -> its count in words, for each word that means a null."""
    counts: dict[str, int] = {}
    for column in columns:
        for cell in column.odd:
            word = cell.value.strip(BLANKS) if trims else cell.value
            if word and is_null_word(word) and len(word) <= MAX_WORD:
                counts[word] = counts.get(word, 0) + cell.count
    return {
        word: f"{count_of(count, 'cell')} {word!r}"
        for word, count in list(counts.items())[:MAX_WORDS]
    }


def _find_bool_words(
    columns: Sequence[ColumnProfile],
    outcome: Outcome | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words for True and those for False, besides these two."""
    true = list(outcome.true) if outcome else []
    false = list(outcome.false) if outcome else []
    for column in columns:
        if column.kind == "bool":
            values = [value for value, _ in column.values or ()]
            true += [value for value in values if value.lower() == "true"]
            false += [value for value in values if value.lower() == "false"]
    return (
        tuple(word for word in dict.fromkeys(true) if word != "True"),
        tuple(word for word in dict.fromkeys(false) if word != "False"),
    )


def describe_odd_cells(file: FileProfile, column: ColumnProfile) -> str:
    """Describe the cells that are not of their column's type; empty without one.

    As in: total_charges: 7,032 numbers, 11 cells ' ', first in line 490.
    """
    if not column.odd_cells:
        return ""
    noun = {"int": "number", "float": "number", "string": "text"}.get(str(column.kind))
    fitting = count_of(column.fitting, noun or str(column.kind))
    shown = [
        f"{count_of(cell.count, 'cell')} {cell.value!r}, first in line {file.line(cell.row)}"
        for cell in column.odd[:SHOWN_ODD]
    ]
    if len(column.odd) > SHOWN_ODD:
        further_cells = column.odd_cells - sum(cell.count for cell in column.odd[:SHOWN_ODD])
        shown.append(f"and {count_of(further_cells, 'cell')} with different values")
    return f"{column.header}: {fitting}, {'; '.join(shown)}"


def list_unread_values(column: ColumnProfile) -> list[str]:
    """List the odd values of a column that no guess makes a null: `ingest` refuses them."""
    return [cell.value for cell in column.odd if not is_null_word(cell.value)]
