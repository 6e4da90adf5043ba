"""Count the cells of each form in a batch.

Most columns of numbers are clean. A cheap look at a whole column proves that; only a column that
it leaves in doubt is held, cell by cell, against the forms of its type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from streamflow.catalog import STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import FileKind
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.data.contract import value_expression
from streamflow.core.onboarding.cell_style import Family

INT_FORM = str(COLUMN_TYPES["int"].guess_form)
FLOAT_FORM = str(COLUMN_TYPES["float"].guess_form)
NO_INT = r"[.eE]"  # a number with one of these signs is written as a float
EXACT_DIGITS = 15  # a float keeps so many digits of a whole number
REPETITIONS = 4  # how often a value occurs on average where all values are looked at first
NUMBER_OPTIONS = ("decimal", "thousands", "signs", "trim", "nulls")

Counts = dict[str, float | int | None]


@dataclass(frozen=True, kw_only=True)
class CountedColumn:
    """What is known of a column before a batch is counted.

    family      the kind of values of the column
    may_be_int  all numbers so far were whole
    has_values  the values are counted one by one, so that a NUL is seen among them
    may_be_key  no cell was empty so far, and few repeated an earlier one
    """

    family: Family | None
    may_be_int: bool = True
    has_values: bool = False
    may_be_key: bool = False


def count_cells(
    cells: pl.DataFrame,
    columns: Mapping[str, CountedColumn],
    file_format: FileFormat,
    kind: FileKind,
) -> tuple[dict[str, Counts], pl.DataFrame]:
    """Count the cells of each form in a batch.

    Args:
        cells: (n, ·) text, in columns named by the headers.
        columns: header -> what is known of the column.

    Returns:
        Header -> the counts of the column by name; (n, ·) for each column that may have cells of a
        different kind whether a cell is of its kind; null where the cell is empty.
    """
    counts = _count_all(cells, columns, file_format)
    typed: dict[str, Family | None] = {}
    for header, column in columns.items():
        if column.family not in ("text", None):
            typed[header] = column.family
    clean: set[str] = set()
    if _has_strict_numbers(file_format):
        numbers = [header for header, family in typed.items() if family == "number"]
        possible_ints = [header for header in numbers if columns[header].may_be_int]
        clean |= _count_clean(cells, possible_ints, pl.Int64, counts)
        fractions = [header for header in numbers if header not in clean]
        clean |= _count_clean(cells, fractions, pl.Float64, counts)
    for header, family in typed.items():
        if family != "number" and _fit_all(cells[header], family, file_format, kind):
            clean.add(header)
            empty = int(counts[header]["empty"] or 0)
            counts[header]["fitting"] = len(cells) - empty
    doubtful = {header: family for header, family in typed.items() if header not in clean}
    fitting = _count_doubtful(cells, doubtful, file_format, kind, counts)
    return counts, fitting


def _has_strict_numbers(file_format: FileFormat) -> bool:
    """Tell whether the numbers of a file are written as in a strict CSV file."""
    return all(getattr(file_format, name) == getattr(STRICT_CSV, name) for name in NUMBER_OPTIONS)


def _count_all(
    cells: pl.DataFrame,
    columns: Mapping[str, CountedColumn],
    file_format: FileFormat,
) -> dict[str, Counts]:
    """Count what does not depend on the kind of a column."""
    measures: dict[str, dict[str, pl.Expr]] = {}
    for header, column in columns.items():
        cell = pl.col(header)
        characters = cell.str.len_chars()
        byte_count = cell.str.len_bytes()
        is_text = column.family in ("text", None)
        length = characters if is_text else byte_count
        measures[header] = {"empty": cell.null_count(), "longest": length.max()}
        if file_format.encoding not in ("utf-8", "utf-8-sig"):
            is_different = byte_count != characters
            measures[header]["not_ascii"] = is_different.sum()
        if is_text and not column.has_values:
            measures[header]["nul"] = cell.str.contains("\0", literal=True).sum()
    return _measure(cells, measures)


def _measure(
    frame: pl.DataFrame,
    measures: Mapping[str, Mapping[str, pl.Expr]],
) -> dict[str, Counts]:
    """Compute all aggregates of all columns at once: header -> name -> value."""
    expressions = []
    counts: dict[str, Counts] = {}
    for header, column_measures in measures.items():
        counts[header] = {}
        for name, expression in column_measures.items():
            expressions.append(expression.alias(f"{header}\0{name}"))
    if expressions:
        values = frame.select(expressions).row(0, named=True)
        for path, value in values.items():
            header, name = path.rsplit("\0", 1)
            counts[header][name] = value
    return counts


def _count_clean(
    cells: pl.DataFrame,
    headers: Sequence[str],
    number_type: type[pl.Int64 | pl.Float64],
    counts: dict[str, Counts],
) -> set[str]:
    """Count the numbers of the columns that hold nothing else, and return these columns."""
    numbers = cells.select(pl.col(headers).cast(number_type, strict=False))
    is_int = number_type == pl.Int64
    odd_counts = _count_odd_forms(cells, headers, is_int=is_int)
    measures = {header: _list_number_measures(header, is_int=is_int) for header in headers}
    clean = set()
    for header, values in _measure(numbers, measures).items():
        filled = len(cells) - int(counts[header]["empty"] or 0)
        is_exact = int(counts[header]["longest"] or 0) <= EXACT_DIGITS
        if values["fitting"] == filled and is_exact and not odd_counts[header]:
            clean.add(header)
            whole_count = filled if is_int else 0
            if not is_int and not values["fractions"]:
                # Whether all are whole is the question. In most columns few rows answer it.
                is_whole = numbers[header].floor() == numbers[header]
                whole_count = int(is_whole.sum())
            counts[header] |= {
                "fitting": filled,
                "low": values["low"],
                "high": values["high"],
                "ints": filled if is_int else 0,
                "floats": filled,
                "whole_numbers": whole_count,
            }
    return clean


def _list_number_measures(header: str, *, is_int: bool) -> dict[str, pl.Expr]:
    """Return what is measured of a column of numbers, by name."""
    number = pl.col(header)
    is_fitting = number.is_not_null() if is_int else number.is_finite()
    measures = {
        "fitting": is_fitting.sum(),
        "low": number.min(),
        "high": number.max(),
    }
    if not is_int:
        head = number.head(1_000)
        measures["fractions"] = (head.floor() != head).sum()
    return measures


def _count_odd_forms(
    cells: pl.DataFrame,
    headers: Sequence[str],
    *,
    is_int: bool,
) -> dict[str, int]:
    """Count the cells of each column that are not written like a value: 007 and +49 name something.

    First those are counted that begin like one. Only where there are some are they looked at. In
    the order of texts, signs stand before digits, so the first text shows whether there are any.
    """
    first_texts = cells.select(pl.col(headers).min()).row(0) if headers else ()
    beginnings = {}
    for header, first_text in zip(headers, first_texts, strict=True):
        has_signs = first_text is not None and first_text < "0"
        texts = ("0", "-0", "+") if has_signs else ("0",)
        beginnings[header] = {text: pl.col(header).str.starts_with(text).sum() for text in texts}
    odd_counts = dict.fromkeys(headers, 0)
    doubtful: dict[str, dict[str, pl.Expr]] = {}
    for header, counts in _measure(cells, beginnings).items():
        if any(counts.values()):
            odd_counts[header] = sum(int(count or 0) for count in counts.values())
            doubtful[header] = {"values": _count_values(header, is_int=is_int)}
    for header, counts in _measure(cells, doubtful).items():
        odd_counts[header] -= int(counts["values"] or 0)
    return odd_counts


def _count_values(header: str, *, is_int: bool) -> pl.Expr:
    """Count the cells that begin with 0 and are a value: 0, and of fractions 0.5 and -0 too."""
    cell = pl.col(header)
    if is_int:
        return (cell == "0").sum()
    is_zero = (cell == "0") | (cell == "-0")
    return (is_zero | cell.str.starts_with("0.") | cell.str.starts_with("-0.")).sum()


def _fit_all(
    cells: pl.Series,
    family: Family | None,
    file_format: FileFormat,
    kind: FileKind,
) -> bool:
    """Tell whether all cells are of their column's kind. Dates and bools repeat, so few differ."""
    values = cells.drop_nulls().unique().rename("text")
    if len(values) > len(cells) / REPETITIONS:
        return False
    text = canonical_cell(pl.col("text"), str(family), file_format, kind)
    texts = values.to_frame().select(text.alias("text"))
    fits = _fits("text", family).fill_null(value=False)
    return bool(texts.select(fits.all()).item())


def _count_doubtful(
    cells: pl.DataFrame,
    families: Mapping[str, Family | None],
    file_format: FileFormat,
    kind: FileKind,
    counts: dict[str, Counts],
) -> pl.DataFrame:
    """Hold each cell of some columns against the forms of its column's kind."""
    text_expressions = []
    fitting_expressions = []
    measures = {}
    for header, family in families.items():
        column_type = "float" if family == "number" else str(family)
        text = canonical_cell(pl.col(header), column_type, file_format, kind)
        text_expressions.append(text.alias(header))
        fitting_expressions.append(_fits(header, family).alias(header))
        measures[header] = {"fitting": pl.col(header).sum()}
    texts = cells.select(text_expressions)
    fitting = texts.select(fitting_expressions)
    numbers = [header for header, family in families.items() if family == "number"]
    for header, values in _measure(fitting, measures).items():
        counts[header] |= values
    for header in numbers:
        is_number = fitting[header].fill_null(value=False)
        number_texts = texts[header].filter(is_number)
        counts[header] |= _count_numbers(number_texts)
    return fitting


def _fits(header: str, family: Family | None) -> pl.Expr:
    """Return whether a text has the form of its column's kind, and a value."""
    text = pl.col(header)
    if family == "number":
        has_form = text.str.contains(f"{INT_FORM}|{FLOAT_FORM}")
        return has_form & text.cast(pl.Float64, strict=False).is_finite()
    if family == "bool":
        return text.str.to_lowercase().is_in(["true", "false"])
    column_type = str(family)
    has_form = text.str.contains(str(COLUMN_TYPES[column_type].guess_form))
    return has_form & value_expression(text, column_type).is_not_null()


def _count_numbers(texts: pl.Series) -> Counts:
    """Count the numbers of each type among texts that are numbers."""
    text = pl.col("text")
    value = text.cast(pl.Float64, strict=False)
    integer = text.cast(pl.Int64, strict=False)
    has_float_sign = text.str.contains(NO_INT)
    is_int = ~has_float_sign & integer.is_not_null()
    is_short = text.str.len_bytes() <= EXACT_DIGITS
    is_exact = is_short | text.str.contains(FLOAT_FORM)
    is_whole = value.floor() == value
    measures = {
        "ints": is_int.sum(),
        "floats": is_exact.sum(),
        "whole_numbers": is_whole.sum(),
        "low": value.min(),
        "high": value.max(),
    }
    return _measure(texts.rename("text").to_frame(), {"text": measures})["text"]
