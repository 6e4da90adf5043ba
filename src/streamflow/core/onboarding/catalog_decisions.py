"""What a person must look at before a guessed catalog is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile

FOUR_DIGITS = re.compile(r"\d{4}")


def list_decisions(
    files: Sequence[FileProfile],
    alternative_keys: Sequence[str],
    label_file: FileProfile,
    label: ColumnProfile,
    population: int,
) -> Iterator[str]:
    """Describe each property of the files that a person must confirm or correct."""
    if alternative_keys:
        yield f"the key could also be {', '.join(alternative_keys)} (name it with --key)"
    if label.true in (0, label.rows):
        yield (
            f"the label '{label.name}' is {bool(label.true)} in every row: "
            "the file must hold the users with the opposite outcome too"
        )
    if label_file.rows < population:
        share = f"{label_file.rows:,} of {count_of(population, 'key')}"
        yield f"{label_file.file} has {share}: training leaves out the keys without a label"
    for file in files:
        yield from _list_file_decisions(file, file is label_file, population)


def _list_file_decisions(file: FileProfile, holds_label: bool, population: int) -> Iterator[str]:
    if FOUR_DIGITS.search(file.file):
        yield (
            f"the name {file.file} seems to hold a date: every drop must use the same file names"
        )
    if not holds_label and file.rows < population:
        share = f"{file.rows:,} of {count_of(population, 'key')}"
        yield f"{file.file} has {share}: its features are nullable, and a missing row means nulls"
    empty_columns = [column.name for column in file.columns if column.empty == column.rows]
    if empty_columns:
        yield (
            f"{file.file}: no value was seen in {', '.join(empty_columns)}: "
            "correct the type before the first drop is frozen"
        )
