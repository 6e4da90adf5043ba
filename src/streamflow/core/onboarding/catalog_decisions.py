"""What a person must look at before a guessed catalog is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.column_roles import KeyGuess
from streamflow.core.onboarding.format_guess import describe_odd_cells, list_unread_values
from streamflow.core.onboarding.label_column import LabelGuess
from streamflow.core.onboarding.table_guess import TableGuess

FOUR_DIGITS = re.compile(r"\d{4}")
# Rows of fewer columns are often equal by chance.
COMPARED_COLUMNS = 8


def list_decisions(
    key: KeyGuess,
    label: LabelGuess,
    population: int,
    true_count: int,
) -> Iterator[str]:
    """Describe each guess about key and label that a person must confirm or correct."""
    if key.is_made:
        yield (
            f"the key '{key.name}' numbers the rows: no row of a second month can be joined to a "
            "row of this one, so labels of a later drop and --label-lead have no meaning"
        )
    if key.alternatives:
        yield f"the key could also be {', '.join(key.alternatives)} (name it with --key)"
    rows = label.column.rows
    if true_count in (0, rows):
        yield (
            f"the label '{label.column.header}' is {bool(true_count)} in every row: "
            "the file must hold the users with the opposite outcome too"
        )
    if label.outcome is None:
        yield (
            f"the label is made of the date '{label.column.header}': who left until the day of "
            "the drop is True; a later date, or none, is False"
        )
    elif label.is_derived:
        yield f"the label is the opposite of '{label.column.header}', which is True for who stayed"
    if rows < population:
        share = f"{rows:,} of {count_of(population, 'key')}"
        yield f"{label.file.file} has {share}: training leaves out the keys without a label"


def list_file_decisions(
    file: FileProfile,
    holds_label: bool,
    population: int,
    key: str,
) -> Iterator[str]:
    """Describe what a person must look at in one file."""
    if FOUR_DIGITS.search(file.file):
        yield (
            f"the name {file.file} seems to hold a date: every drop must use the same file names"
        )
    if not holds_label and file.rows < population:
        share = f"{file.rows:,} of {count_of(population, 'key')}"
        yield f"{file.file} has {share}: its features are nullable, and a missing row means nulls"
    empty_columns = [column.header for column in file.columns if column.empty == column.rows]
    if empty_columns:
        yield (
            f"{file.file}: no value was seen in {', '.join(empty_columns)}: "
            "correct the type before the first drop is frozen"
        )
    compared = [column for column in file.columns if column.name != key]
    if file.repeated and len(compared) >= COMPARED_COLUMNS:
        rows = f"{file.repeated:,} of {count_of(file.rows, 'row')}"
        yield f"{file.file}: {rows} equal an earlier row in every column but the key"
    yield from (f"{file.file}: {doubt}" for doubt in file.doubts)
    yield from _list_null_words(file)
    for column in compared:
        if column.odd_cells:
            ending = ""
            if list_unread_values(column):
                ending = (
                    ". 'ingest' refuses the cells that are no word for null: correct them, "
                    "or add them to 'nulls' in the catalog"
                )
            yield f"{file.file}: {describe_odd_cells(file, column)}{ending}"


def _list_null_words(file: FileProfile) -> Iterator[str]:
    """Name each word that is taken for a null, although a column of texts holds it too."""
    null_words = {word for column in file.columns for word in column.null_words}
    for column in file.columns:
        if column.kind != "string":
            continue
        for word in sorted(null_words):
            count = column.count_value(word)
            if count:
                yield (
                    f"{file.file}: {word!r} means null in the whole file, also in "
                    f"{count_of(count, 'cell')} of {column.header}: if it is a value there, remove "
                    "it from 'nulls' in the catalog"
                )


def list_left_out(
    files: Sequence[FileProfile],
    tables: Sequence[TableGuess],
    label: LabelGuess,
) -> Iterator[str]:
    """Name each column that is no feature, and say why."""
    headers = {(file.file, column.name): column.header for file in files for column in file.columns}
    for table in tables:
        for column in table.columns:
            is_label = table.file == label.file.file and column.name == label.column.name
            if column.exclusion and not is_label:
                header = headers[table.file, column.name]
                yield f"{table.file}: {header}: {column.exclusion}"
