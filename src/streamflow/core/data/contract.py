"""The contract of a drop: what the catalog promises of each file.

A drop is checked completely before anything is written. Cells arrive as text, in batches. A first
schema checks how they are written, and a second schema checks their values once they are typed;
both are pandera schemas, made from the catalog. A row is named by its number in the file. The
physical line is looked up later, and only for an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from streamflow.catalog import STRICT_CSV, Column, FileFormat, FileKind
from streamflow.catalog.file_kinds import CSV
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.cell_forms import canonical_cells
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

    >>> describe_expectation(Column(type="float", min=0))
    'number >= 0'
    """
    if column.categories is not None:
        return "one of " + ", ".join(repr(category) for category in column.categories)
    text = COLUMN_TYPES[column.type].noun
    bounds = []
    if column.min is not None:
        bounds.append(f">= {column.min:g}")
    if column.max is not None:
        bounds.append(f"<= {column.max:g}")
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


def read_cells(
    text: pl.DataFrame,
    rows: NDArray[np.int64],
    columns: Mapping[str, Column],
    *,
    key: str,
    table: str,
    file_format: FileFormat = STRICT_CSV,
    kind: FileKind = CSV,
) -> tuple[pl.DataFrame, list[DropViolation]]:
    """Turn a batch of text into typed values.

    Args:
        text: (n, ·) strings, a null where the cell is empty; exactly the names of `columns`.
        rows: (n,) the number of each row in its file.
        columns: the columns of the file, in the order of the catalog.
        key: the name of the entity's key. `table` is named in violations.
        file_format: how the cells of a file of this kind are written.

    Returns:
        (n, ·) values, typed and ordered as in the catalog; a violation for every broken promise,
        with the cell as the file has it.
    """
    cells = text.select(pl.col(name).cast(pl.String) for name in columns)
    text = canonical_cells(cells, columns, file_format, kind)
    typed = pl.DataFrame([_parse_column(text[name], column) for name, column in columns.items()])
    malformed = _find_malformed(text, typed, columns)
    out_of_range = _find_failures(_value_schema(columns), typed) - malformed
    forms = {name: COLUMN_TYPES[column.type] for name, column in columns.items()}
    expectations = {cell: forms[cell[0]].form_description for cell in malformed}
    expectations |= {cell: describe_expectation(columns[cell[0]]) for cell in out_of_range}
    violations = [
        DropViolation(
            table=table,
            column=name,
            row=int(rows[position]),
            expected=expected,
            got=_format_cell(cells[name][position]),
            key=typed[key][position],
        )
        for (name, position), expected in expectations.items()
    ]
    return typed, sorted(violations, key=lambda violation: (violation.row, violation.column))


def _find_malformed(
    text: pl.DataFrame,
    typed: pl.DataFrame,
    columns: Mapping[str, Column],
) -> set[tuple[str, int]]:
    """Return the cells (column, position) whose text is no value of their type."""
    malformed = _find_failures(_form_schema(columns), text)
    # 2^63, 1e309 and 2024-02-30 are written correctly, and still have no value.
    for name in columns:
        is_lost = text[name].is_not_null() & typed[name].is_null()
        malformed |= {(name, position) for position in is_lost.arg_true()}
    return malformed


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


def _form_schema(columns: Mapping[str, Column]) -> pa.DataFrameSchema:
    """Return the schema that checks how the cells are written."""
    return pa.DataFrameSchema(
        {
            name: pa.Column(pl.String, _form_check(column), nullable=True)
            for name, column in columns.items()
        }
    )


def _value_schema(columns: Mapping[str, Column]) -> pa.DataFrameSchema:
    """Return the schema that checks typed values."""
    return pa.DataFrameSchema(
        {
            name: pa.Column(
                polars_type(column.type), _value_checks(column), nullable=column.nullable
            )
            for name, column in columns.items()
        }
    )


def _form_check(column: Column) -> pa.Check:
    return pa.Check.str_matches(COLUMN_TYPES[column.type].pattern)


def _value_checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.min is not None:
        checks.append(pa.Check.ge(column.min))
    if column.max is not None:
        checks.append(pa.Check.le(column.max))
    if column.categories is not None:
        checks.append(pa.Check.isin(column.categories))
    if column.max_length is not None:
        checks.append(pa.Check.str_length(max_value=column.max_length))
    return checks


def _find_failures(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> set[tuple[str, int]]:
    """Return the cells (column, row) that break `schema`."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as exc:
        cases = exc.failure_cases
        return {(column, row) for column, row in zip(cases["column"], cases["index"], strict=True)}
    return set()


def value_expression(cell: pl.Expr, column_type: str) -> pl.Expr:
    """Convert cells of text to values of a type; a cell without a value becomes a null.

    >>> pl.select(value_expression(pl.lit("True"), "bool")).item()
    True
    """
    if column_type == "bool":
        values = {"True": True, "False": False}
        return cell.replace_strict(values, default=None, return_dtype=pl.Boolean)
    if column_type == "date":
        return cell.str.to_date("%Y-%m-%d", strict=False)
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
    return text.str.to_datetime(instant_format, time_unit="us", time_zone="UTC", strict=False)


def _parse_column(text: pl.Series, column: Column) -> pl.Series:
    """Convert a column of text to its type; a cell without a value becomes a null."""
    values = value_expression(pl.col(text.name), column.type).alias(text.name)
    return text.to_frame().select(values).to_series()


def _format_cell(cell: str | None) -> str:
    return "an empty cell" if cell is None else quote_cell(cell)


def quote_cell(cell: str) -> str:
    """Return a cell in quotes as a message shows it: at most MAX_SHOWN_CHARACTERS of it.

    >>> print(quote_cell("x" * 90)[-22:])
    xxxx'… (90 characters)
    """
    if len(cell) <= MAX_SHOWN_CHARACTERS:
        return repr(cell)
    return f"{cell[:MAX_SHOWN_CHARACTERS]!r}… ({len(cell):,} characters)"
