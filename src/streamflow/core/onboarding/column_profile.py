"""What a column of a CSV file holds over all rows: the expressions that measure it, and the result.

Cells are text, a null where a cell is empty. The expressions are aggregates, so that a file can be
read as a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from streamflow.catalog import Column, ColumnType
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.contract import read_cells, value_expression

# The most distinct texts with which a column can be one of categories; a convention.
MAX_CATEGORIES = 30

SLICE_ROWS = 50_000  # how many rows are read as instants at a time

# The count of distinct values is an estimate: a column may be unique from this share of its rows.
UNIQUE_SHARE = 0.9

# The types that `init` recognizes by their form, the narrowest first.
GUESSED_TYPES = tuple(record.name for record in COLUMN_TYPES.values() if record.guess_form)

Measurements = dict[str, float | int | None]


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """What one column of one file holds.

    kind      the narrowest type of all its values; None: text with NUL, which no type allows
    low       the smallest number; None for a column that is not numeric
    high      the largest number; None for a column that is not numeric
    longest   the length of the longest cell, in characters
    distinct  an estimate of the distinct values, within about 2 %
    true      the number of cells that say True
    texts     all distinct texts in order, if they are few
    unique    no cell is empty, and no two cells are equal
    """

    name: str
    rows: int
    empty: int
    kind: ColumnType | None
    low: float | None
    high: float | None
    longest: int
    distinct: int
    true: int
    texts: tuple[str, ...] | None = None
    unique: bool = False

    @property
    def can_be_key(self) -> bool:
        """Return whether this column can name each row of its file."""
        return self.unique and self.kind in ("int", "string")


@dataclass(frozen=True, kw_only=True)
class FileProfile:
    """What one file of a drop holds, column by column."""

    file: str
    columns: tuple[ColumnProfile, ...]

    @property
    def rows(self) -> int:
        """Return the number of records of the file, without the header."""
        return self.columns[0].rows

    def column(self, name: str) -> ColumnProfile | None:
        """Return the column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)


def measuring_expressions(header: Sequence[str]) -> list[pl.Expr]:
    """Return the expressions to compute over a frame of text with the columns `header`.

    They give one row, which `profiles_from_measures` reads.
    """
    expressions = [pl.len().alias("rows")]
    for number, name in enumerate(header):
        for measure, expression in _column_measures(pl.col(name)).items():
            expressions.append(expression.alias(f"{number}.{measure}"))
    return expressions


def _column_measures(cell: pl.Expr) -> dict[str, pl.Expr]:
    """Return the expressions of one column by name; a type's name counts the cells that fit it."""
    number = cell.cast(pl.Float64, strict=False)
    type_conditions: dict[str, pl.Expr] = {name: _fits(cell, name) for name in GUESSED_TYPES}
    conditions: dict[str, pl.Expr] = {
        **type_conditions,
        "nul": cell.str.contains("\0", literal=True),
        "true": cell == "True",
    }
    return {
        "empty": cell.null_count(),
        **{name: condition.sum() for name, condition in conditions.items()},
        "low": number.min(),
        "high": number.max(),
        "longest": cell.str.len_chars().max(),
        "distinct": cell.approx_n_unique(),
    }


def _fits(cell: pl.Expr, column_type: str) -> pl.Expr:
    """Return whether a cell has the form of a type, and a value.

    The values of instants are checked later, by `check_instants`: they depend on each other.
    """
    has_form = cell.str.contains(str(COLUMN_TYPES[column_type].guess_form))
    if column_type == "timestamp":
        return has_form
    return has_form & value_expression(cell, column_type).is_not_null()


def profiles_from_measures(
    header: Sequence[str],
    measured: pl.DataFrame,
) -> tuple[ColumnProfile, ...]:
    """Make the profile of each column from the row of `measuring_expressions`.

    >>> text = pl.DataFrame({"member": ["17", "4"], "plan": ["Plus", None]})
    >>> measures = text.select(measuring_expressions(text.columns))
    >>> members, plans = profiles_from_measures(text.columns, measures)
    >>> members.name, members.kind, members.empty, members.low
    ('member', 'int', 0, 4.0)
    >>> plans.name, plans.kind, plans.empty, plans.low
    ('plan', 'string', 1, None)
    """
    row = measured.row(0, named=True)
    column_profiles = []
    for number, name in enumerate(header):
        names = _column_measures(pl.col(name))
        measurements = {measure: row[f"{number}.{measure}"] for measure in names}
        column_profiles.append(_make_profile(name, row["rows"], measurements))
    return tuple(column_profiles)


def _make_profile(name: str, rows: int, measurements: Measurements) -> ColumnProfile:
    counts = {
        measure: int(value or 0)
        for measure, value in measurements.items()
        if measure not in ("low", "high")
    }
    kind = _narrowest_type(counts, filled=rows - counts["empty"])
    is_numeric = kind is not None and COLUMN_TYPES[kind].is_number
    return ColumnProfile(
        name=name,
        rows=rows,
        empty=counts["empty"],
        kind=kind,
        low=measurements["low"] if is_numeric else None,
        high=measurements["high"] if is_numeric else None,
        longest=counts["longest"],
        distinct=counts["distinct"],
        true=counts["true"],
    )


def _narrowest_type(counts: dict[str, int], *, filled: int) -> ColumnType | None:
    """Return the first type that all `filled` cells fit."""
    if filled:
        for kind in GUESSED_TYPES:
            if counts[kind] == filled:
                return kind
    return None if counts["nul"] else "string"


def detail_expressions(column_profiles: Sequence[ColumnProfile]) -> list[pl.Expr]:
    """Return the expressions of a second pass over the file, for `add_details`.

    They give the texts of each column that seems to have few, and the exact number of distinct
    values of each column that seems to have no value twice.
    """
    texts = [
        pl.col(profile.name).drop_nulls().unique().sort().implode().alias(f"{profile.name}.texts")
        for profile in column_profiles
        if _seems_to_have_few_texts(profile)
    ]
    unique_counts = [
        pl.col(profile.name).n_unique().alias(f"{profile.name}.unique")
        for profile in column_profiles
        if _seems_unique(profile)
    ]
    return texts + unique_counts


def add_details(
    first_profiles: Sequence[ColumnProfile],
    measured: pl.DataFrame,
) -> tuple[ColumnProfile, ...]:
    """Add to the profiles what `detail_expressions` measured.

    >>> text = pl.DataFrame({"member": ["17", "4"], "plan": ["Plus", "Plus"]})
    >>> measures = text.select(measuring_expressions(text.columns))
    >>> first_pass = profiles_from_measures(text.columns, measures)
    >>> members, plans = add_details(first_pass, text.select(detail_expressions(first_pass)))
    >>> (members.unique, members.texts), (plans.unique, plans.texts)
    ((True, None), (False, ('Plus',)))
    """
    row = measured.row(0, named=True) if measured.width else {}
    column_profiles = []
    for profile in first_profiles:
        texts = None
        if _seems_to_have_few_texts(profile):
            texts = _limit_texts(row[f"{profile.name}.texts"])
        unique = _seems_unique(profile) and row[f"{profile.name}.unique"] == profile.rows
        column_profiles.append(replace(profile, texts=texts, unique=unique))
    return tuple(column_profiles)


def check_instants(profile: ColumnProfile, text: pl.Series) -> ColumnProfile:
    """Make a column of instants a column of text if ingest cannot read every cell.

    One column cannot mix all ways of writing an instant.
    """
    columns = {text.name: Column(type="timestamp", nullable=True)}
    for cells in text.to_frame().iter_slices(SLICE_ROWS):
        rows = np.arange(len(cells))
        _, violations = read_cells(cells, rows, columns, key=text.name, table="")
        if violations:
            return replace(profile, kind="string")
    return profile


def _seems_to_have_few_texts(profile: ColumnProfile) -> bool:
    # `distinct` is an estimate, so twice as many are looked at.
    return profile.kind == "string" and profile.distinct <= 2 * MAX_CATEGORIES


def _seems_unique(profile: ColumnProfile) -> bool:
    return (
        profile.empty == 0
        and profile.kind in ("int", "string")
        and profile.distinct >= UNIQUE_SHARE * profile.rows
    )


def _limit_texts(texts: list[str]) -> tuple[str, ...] | None:
    return tuple(texts) if len(texts) <= MAX_CATEGORIES else None
