"""The expressions that count the cells of a column, each computed once for a batch."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from streamflow.catalog import FileFormat
from streamflow.catalog.file_kinds import FileKind
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.data.contract import value_expression
from streamflow.core.onboarding.cell_style import Family

INT_OR_FLOAT = "|".join(str(COLUMN_TYPES[name].guess_form) for name in ("int", "float"))
NO_INT = r"[.eE]"  # a number with one of these signs is written as a float
EXACT_DIGITS = 15  # a float keeps so many digits of a whole number

Counts = dict[str, float | int | None]


def count_cells(
    cells: pl.DataFrame,
    families: Mapping[str, Family | None],
    file_format: FileFormat,
    kind: FileKind,
) -> tuple[dict[str, Counts], pl.DataFrame]:
    """Count the cells of each form in a batch.

    Args:
        cells: (n, ·) text, in columns named by the headers.
        families: header -> the kind of values of the column.

    Returns:
        Header -> the counts of the column by name; (n, ·) for each column of numbers, dates,
        instants or bools whether the cell is of this kind; null where the cell is empty.
    """
    forms = _compute_forms(cells, families, file_format, kind)
    expressions = []
    for header, family in families.items():
        for name, expression in _counts_of(header, family, file_format).items():
            expressions.append(expression.alias(f"{header}\0{name}"))
    row = forms.select(expressions).row(0, named=True)
    counts: dict[str, Counts] = {header: {} for header in families}
    for path, value in row.items():
        header, name = path.rsplit("\0", 1)
        counts[header][name] = value
    typed = [header for header, family in families.items() if family not in ("text", None)]
    fitting = forms.select(pl.col(f"{header}\0fits").alias(header) for header in typed)
    return counts, fitting


def _compute_forms(
    cells: pl.DataFrame,
    families: Mapping[str, Family | None],
    file_format: FileFormat,
    kind: FileKind,
) -> pl.DataFrame:
    """Add to the cells what the counts of a column share: whether a cell fits, and its number."""
    texts = cells.with_columns(
        canonical_cell(pl.col(header), _type_of(family), file_format, kind).alias(f"{header}\0text")
        for header, family in families.items()
        if family not in ("text", None)
    )
    numbers = texts.with_columns(
        pl.col(f"{header}\0text").cast(pl.Float64, strict=False).alias(f"{header}\0number")
        for header, family in families.items()
        if family == "number"
    )
    return numbers.with_columns(
        _fits(header, family).alias(f"{header}\0fits")
        for header, family in families.items()
        if family not in ("text", None)
    )


def _type_of(family: Family | None) -> str:
    return "float" if family == "number" else str(family)


def _fits(header: str, family: Family | None) -> pl.Expr:
    """Return whether a cell has the form of its column's kind, and a value."""
    text = pl.col(f"{header}\0text")
    if family == "number":
        has_form = text.str.contains(INT_OR_FLOAT)
        return has_form & pl.col(f"{header}\0number").is_finite()
    if family == "bool":
        return text.str.to_lowercase().is_in(["true", "false"])
    column_type = str(family)
    has_form = text.str.contains(str(COLUMN_TYPES[column_type].guess_form))
    return has_form & value_expression(text, column_type).is_not_null()


def _counts_of(header: str, family: Family | None, file_format: FileFormat) -> dict[str, pl.Expr]:
    """Return the aggregates of one column by name."""
    cell = pl.col(header)
    counts = {"empty": cell.null_count(), "longest": cell.str.len_chars().max()}
    if file_format.encoding not in ("utf-8", "utf-8-sig"):
        counts["not_ascii"] = (cell.str.len_bytes() != cell.str.len_chars()).sum()
    if family in ("text", None):
        counts["nul"] = cell.str.contains("\0", literal=True).sum()
        return counts
    fits = pl.col(f"{header}\0fits")
    counts["fitting"] = fits.sum()
    if family != "number":
        return counts
    text = pl.col(f"{header}\0text")
    number = pl.col(f"{header}\0number")
    value = pl.when(fits).then(number)
    is_int = fits & ~text.str.contains(NO_INT) & text.cast(pl.Int64, strict=False).is_not_null()
    digits = text.str.len_bytes()
    is_exact = (digits <= EXACT_DIGITS) | text.str.contains(str(COLUMN_TYPES["float"].guess_form))
    return counts | {
        "ints": is_int.sum(),
        "floats": (fits & is_exact).sum(),
        "whole": (value.floor() == value).sum(),
        "low": value.min(),
        "high": value.max(),
    }
