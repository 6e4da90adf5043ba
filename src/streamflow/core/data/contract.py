"""The contract of a drop: what the catalog promises of each file.

A drop is checked completely before anything is written. Cells arrive as text, in batches;
`cell_contract` checks them. A row is named by its number in the file. The physical line is looked
up later, and only for an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from streamflow.catalog import Column
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.counts import count_of

HEADER_ROW = -1
# A longer cell is cut where a message shows it: after a stray quote it may be the rest of the file.
MAX_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True)
class DropViolation:
    """One rule of the contract that a drop breaks.

    row    the record's number in the file, from 0; the header is -1; None: no single record
    key    the key of the row, if it is known
    fatal  the file as a whole cannot be used, even if rows are left out
    """

    table: str
    column: str | None
    row: int | None
    expected: str
    got: str | None
    key: str | int | None = None
    fatal: bool = False


def describe_expectation(column: Column) -> str:
    """Describe the cells that `column` allows.

    >>> describe_expectation(Column(type="float", min=0, max=12345678))
    'number >= 0 and <= 12345678'
    """
    if column.categories is not None:
        return "one of " + ", ".join(repr(category) for category in column.categories)
    text = COLUMN_TYPES[column.type].noun
    bounds = []
    if column.min is not None:
        bounds.append(f">= {column.min:.15g}")
    if column.max is not None:
        bounds.append(f"<= {column.max:.15g}")
    if bounds:
        text += " " + " and ".join(bounds)
    if column.max_length:
        text += f" of at most {column.max_length} characters"
    return text


def polars_type(column_type: str) -> Any:
    """Return the type of a column's values in a frame.

    >>> polars_type("int"), polars_type("timestamp")
    (Int64, Datetime(time_unit='us', time_zone='UTC'))
    """
    name, *arguments = COLUMN_TYPES[column_type].polars
    frame_type = getattr(pl, name)
    return frame_type(*arguments) if arguments else frame_type


def find_header_violations(
    table: str,
    header: Sequence[str],
    columns: Sequence[str],
    ignored: Sequence[str] = (),
) -> list[DropViolation]:
    """Report missing, extra and repeated columns of one file.

    Args:
        header: the names in the file.
        columns: the names that the catalog declares for this file.
        ignored: names that the file may have, also more than once.
    """
    names = [name for name in header if name not in ignored]
    return [
        DropViolation(
            table=table, column=name, row=HEADER_ROW, expected=expected, got=got, fatal=True
        )
        for expected, name, got in _check_header(names, columns)
    ]


def _check_header(
    header: Sequence[str],
    columns: Sequence[str],
) -> Iterator[tuple[str, str, str | None]]:
    """Give (expected, column, got) for each mistake of a header."""
    counts = {name: list(header).count(name) for name in header}
    for name, count in counts.items():
        if count > 1:
            yield "this column once", name, count_of(count, "time")
    for name in columns:
        if name not in counts:
            yield "this column in the header", name, None
    for name in counts:
        if name not in columns:
            yield "only columns that the catalog declares", name, quote_cell(name)


def value_expression(cell: pl.Expr, column_type: str) -> pl.Expr:
    """Convert cells of text to values of a type; a cell without a value becomes a null.

    >>> pl.select(value_expression(pl.lit("True"), "bool")).item()
    True
    """
    if column_type == "bool":
        values = {"True": True, "False": False}
        return cell.replace_strict(values, default=None, return_dtype=pl.Boolean)
    if column_type == "date":
        return _within_years(cell.str.to_date("%Y-%m-%d", strict=False))
    if column_type == "timestamp":
        return _instant_expression(cell)
    if column_type == "float":
        number = cell.cast(pl.Float64, strict=False)
        # This makes -0.0 a 0.0.
        without_negative_zero = pl.when(number == 0).then(0.0)
        return without_negative_zero.when(number.is_finite()).then(number)
    return cell.cast(polars_type(column_type), strict=False)


def _instant_expression(cell: pl.Expr) -> pl.Expr:
    """Convert cells of text in any of the allowed forms of an instant; without an offset it is UTC.

    Each cell is written in one form first. Without a form, polars takes the one of the first row.
    """
    day = cell.str.slice(0, 10)
    time = cell.str.slice(11, 8)
    fraction = cell.str.extract(r"\.(\d+)").fill_null("0")
    offset = cell.str.extract(r"([+-]\d{2}:?\d{2})$").fill_null("+00:00")
    text = pl.concat_str(day, pl.lit(" "), time, pl.lit("."), fraction, offset)
    instant_format = "%Y-%m-%d %H:%M:%S%.f%z"
    instant = text.str.to_datetime(instant_format, time_unit="us", time_zone="UTC", strict=False)
    return _within_years(instant)


def _within_years(moment: pl.Expr) -> pl.Expr:
    """Replace each date or instant outside of the possible years of UTC by a null.

    A year has four digits, and Python has no year 0. An offset can lead out of these years.
    """
    is_possible = moment.dt.year().is_between(1, 9999)
    return pl.when(is_possible).then(moment)


def quote_cell(cell: str) -> str:
    """Return a cell in quotes as a message shows it: at most MAX_SHOWN_CHARACTERS of it.

    >>> print(quote_cell("x" * 90)[-22:])
    xxxx'… (90 characters)
    """
    if len(cell) <= MAX_SHOWN_CHARACTERS:
        return repr(cell)
    return f"{cell[:MAX_SHOWN_CHARACTERS]!r}… ({len(cell):,} characters)"
