"""Guess which column is the label, and which file holds it, from names and contents.

Where no guess is possible, the error lists the columns that were examined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Never

from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.column_roles import refuse

LABEL_WORD = re.compile(
    r"churn|cancel|^(label|left|target|lapsed|quit|outcome|attrition|attrited)$"
)
LABEL_REMEDY = "Write the outcome as True and False, one row for each key, in its own file"
SHOWN_TEXTS = 4

# A column with at most this many distinct values looks like an outcome in different words.
OUTCOME_VALUES = 3

FileColumn = tuple[FileProfile, ColumnProfile]


def find_label(
    files: Sequence[FileProfile], key: str, label: str | None
) -> tuple[FileProfile, ColumnProfile]:
    """Find the label and the file that holds it.

    The label is a bool that is never empty. It is found by its name, or because it is alone in its
    file.

    Args:
        files: all files of a drop.
        key: the name of the key.
        label: the column that the user named as the label; None: guess it.

    Raises CatalogInvalid.
    """
    bools = [
        (file, column)
        for file, column in _all_columns(files)
        if column.kind == "bool" and not column.empty and label in (None, column.name)
    ]
    label_columns = [
        (file, column) for file, column in bools if label or LABEL_WORD.search(column.name)
    ]
    if len(label_columns) == 1:
        return label_columns[0]
    # Two columns are the key and the label.
    alone = [(file, column) for file, column in label_columns or bools if len(file.columns) == 2]
    if len(alone) != 1:
        _refuse_label(files, key, label, label_columns or bools)
    return alone[0]


def _refuse_label(
    files: Sequence[FileProfile],
    key: str,
    label: str | None,
    possible_labels: Sequence[FileColumn],
) -> Never:
    """List the columns that were examined.

    These are the columns that could all be the label, or else those that would be the label if
    they were True and False.
    """
    if possible_labels:
        lines = [
            f"{file.file}: column '{column.name}' could be the label"
            for file, column in possible_labels
        ]
        named_columns = [
            (file, column)
            for file, column in _all_columns(files)
            if LABEL_WORD.search(column.name) and (file, column) not in possible_labels
        ]
        remedy = (
            "Write the outcome as True and False"
            if named_columns
            else "Name the label with --label COLUMN"
        )
        problem = "no column is clearly the label"
        refuse([problem, *_describe_columns(named_columns), *lines], remedy)
    if label is not None:
        columns = [(file, column) for file, column in _all_columns(files) if column.name == label]
        problem = f"the label '{label}' must be True or False in every row"
        refuse([problem, *_describe_columns(columns)], LABEL_REMEDY)
    similar_columns = [
        (file, column)
        for file, column in _all_columns(files)
        if column.name != key
        and (column.distinct <= OUTCOME_VALUES or LABEL_WORD.search(column.name))
    ]
    problem = "no label found: a label is a column that is True or False in every row"
    refuse([problem, *_describe_columns(similar_columns)], LABEL_REMEDY)


def _all_columns(files: Sequence[FileProfile]) -> Iterator[FileColumn]:
    for file in files:
        for column in file.columns:
            yield file, column


def _describe_columns(columns: Sequence[FileColumn]) -> list[str]:
    """Tell what each examined column holds."""
    return [
        f"{file.file}: column '{column.name}' {_describe_content(column)}"
        for file, column in columns
    ]


def _describe_content(column: ColumnProfile) -> str:
    if column.kind == "bool":
        return f"is empty in {column.empty:,} of {count_of(column.rows, 'row')}"
    if column.texts is not None:
        texts = ", ".join(map(repr, column.texts[:SHOWN_TEXTS])) or "nothing"
        ellipsis = ", …" if len(column.texts) > SHOWN_TEXTS else ""
        return f"holds {texts}{ellipsis}"
    span = f" from {column.low:g} to {column.high:g}" if column.low is not None else ""
    return f"is of type {column.kind}{span}"
