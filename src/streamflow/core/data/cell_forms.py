"""The form of a cell: write what a file holds as the text of a strict CSV file.

The contract checks and converts the text that results. A cell that the format does not allow
becomes a text that no type allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from streamflow.catalog import Column
from streamflow.catalog.file_format import BLANKS, STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import CSV, FileKind

# Only a type of text would allow it, and this text stands only for cells of different types.
NOT_ALLOWED = "?"
MIDNIGHT = r"[T ]00:00:00(\.0+)?Z?$"
DATE = r"^\d{4}-\d{2}-\d{2}$"


def name_cells(text: pl.DataFrame, headers: Mapping[str, str]) -> pl.DataFrame:
    """Return the cells of a file in columns with the names of the catalog.

    Args:
        headers: name in the catalog -> header of the file.
    """
    return text.select(pl.col(header).alias(name) for name, header in headers.items())


def canonical_cells(
    cells: pl.DataFrame,
    columns: Mapping[str, Column],
    file_format: FileFormat,
    kind: FileKind = CSV,
) -> pl.DataFrame:
    """Return the cells of a file as a strict CSV file would hold them."""
    if kind.is_text and file_format == STRICT_CSV:
        return cells
    expressions = []
    for name, column in columns.items():
        cell = canonical_cell(pl.col(name), column.type, file_format, kind)
        expressions.append(cell.alias(name))
    return cells.select(expressions)


def canonical_cell(
    cell: pl.Expr,
    column_type: str,
    file_format: FileFormat,
    kind: FileKind = CSV,
) -> pl.Expr:
    """Return the expression of a cell's text in strict CSV; a null is a null.

    Args:
        cell: text, as `files/table_files.py` reads it.
        column_type: the type of the column in the catalog.
        kind: the kind of the file. A typed file may hold the instant of midnight for a date.

    >>> euros = FileFormat(decimal=",", thousands=".", signs=("€",))
    >>> cells = pl.DataFrame({"fee": ["1.234,50 €", "7", "1.5"]})
    >>> cells.select(canonical_cell(pl.col("fee"), "float", euros)).to_series().to_list()
    ['1234.50', '7', '?']
    """
    text = cell.str.strip_chars(BLANKS) if file_format.trim else cell
    nulls = _trim_words(file_format.nulls, file_format)
    is_null = text.is_in([*nulls])
    has_value = (text != "") & ~is_null
    text = pl.when(has_value).then(text)
    if column_type in ("int", "float"):
        return _canonical_number(text, column_type, file_format)
    if column_type == "bool":
        return _canonical_bool(text, file_format)
    if column_type == "date":
        text = _canonical_date(text, file_format, kind)
        return text if kind.is_text else text.str.replace(MIDNIGHT, "")
    if column_type == "timestamp":
        text = _canonical_date(text, file_format, kind)
        return text if kind.is_text else _add_midnight(text)
    return text


def _add_midnight(text: pl.Expr) -> pl.Expr:
    """Write a date as the instant at which it begins."""
    is_date = text.str.contains(DATE)
    midnight = text + pl.lit(" 00:00:00")
    return pl.when(is_date).then(midnight).otherwise(text)


def _trim_words(declared_words: Sequence[str], file_format: FileFormat) -> list[str]:
    """Return words as they stand in a cell whose blanks were removed."""
    if not file_format.trim:
        return list(declared_words)
    return [word.strip(BLANKS) for word in declared_words]


def _canonical_bool(text: pl.Expr, file_format: FileFormat) -> pl.Expr:
    """Replace the words for True and False by these two."""
    true = _trim_words(file_format.true, file_format)
    false = _trim_words(file_format.false, file_format)
    return (
        pl.when(text.is_in(true))
        .then(pl.lit("True"))
        .when(text.is_in(false))
        .then(pl.lit("False"))
        .otherwise(text)
    )


def _canonical_number(text: pl.Expr, column_type: str, file_format: FileFormat) -> pl.Expr:
    """Remove signs and thousands separators, and write the decimal sign as a point."""
    if file_format.signs:
        text = _remove_sign(text, file_format.signs)
    if file_format.thousands or file_format.decimal != ".":
        number_pattern = _number_form(file_format)
        number = text
        if file_format.thousands:
            number = number.str.replace_all(file_format.thousands, "", literal=True)
        number = number.str.replace(file_format.decimal, ".", literal=True)
        is_allowed = text.str.contains(number_pattern)
        text = pl.when(is_allowed).then(number).when(text.is_not_null()).then(pl.lit(NOT_ALLOWED))
    if file_format.whole_floats and column_type == "int":
        text = text.str.replace(r"^([+-]?\d+)\.0*$", "$1")
    return text


def _canonical_date(text: pl.Expr, file_format: FileFormat, kind: FileKind) -> pl.Expr:
    """Write the date that a text begins with as YYYY-MM-DD.

    A typed file writes its own dates in this form already. A time without seconds gets 00.
    """
    if file_format.dates == "YYYY-MM-DD":
        return text
    date_pattern = rf"^{_date_pattern(file_format.dates)}(?P<rest>\D.*)?$"
    date_groups = text.str.extract_groups(date_pattern).struct
    year = date_groups.field("YYYY")
    month = date_groups.field("MM").str.zfill(2)
    day = date_groups.field("DD").str.zfill(2)
    time_part = date_groups.field("rest").fill_null("")
    time_part = time_part.str.replace(r"^([T ]\d{2}:\d{2})$", "$1:00")
    dash = pl.lit("-")
    date = pl.concat_str(year, dash, month, dash, day, time_part)
    fallback = pl.lit(NOT_ALLOWED) if kind.is_text else text
    is_date = text.str.contains(date_pattern)
    return pl.when(is_date).then(date).when(text.is_not_null()).then(fallback)


def _date_pattern(date_form: str) -> str:
    r"""Return the form of a date as a regular expression with the groups YYYY, MM and DD.

    >>> _date_pattern("YYYYMMDD")
    '(?P<YYYY>\\d{4})(?P<MM>\\d{2})(?P<DD>\\d{2})'
    """
    digits = "2" if date_form == "YYYYMMDD" else "1,2"
    pattern = re.escape(date_form)
    pattern = pattern.replace("YYYY", r"(?P<YYYY>\d{4})")
    for component in ("MM", "DD"):
        pattern = pattern.replace(component, rf"(?P<{component}>\d{{{digits}}})")
    return pattern


def _remove_sign(text: pl.Expr, signs: Sequence[str]) -> pl.Expr:
    """Remove one sign before or after a number, and the blanks between them."""
    one_of = "|".join(map(re.escape, sorted(signs, key=len, reverse=True)))
    blanks = f"[{BLANKS}]*"
    leading_sign = rf"^([+-]?){blanks}(?:{one_of}){blanks}"
    trailing_sign = rf"{blanks}(?:{one_of})$"
    has_sign_before = text.str.contains(leading_sign)
    return (
        pl.when(has_sign_before)
        .then(text.str.replace(leading_sign, "$1"))
        .otherwise(text.str.replace(trailing_sign, ""))
    )


def _number_form(file_format: FileFormat) -> str:
    """Return the form of numbers in a file, as a regular expression."""
    point = re.escape(file_format.decimal)
    groups = rf"|\d{{1,3}}(?:{re.escape(file_format.thousands)}\d{{3}})+"
    integer_part = rf"(?:\d+{groups if file_format.thousands else ''})"
    return rf"^[+-]?(?:{integer_part}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,3}})?$"
