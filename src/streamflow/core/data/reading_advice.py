"""Advise which declarations of a file's format would read cells that its format does not allow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, get_args

import polars as pl
from pydantic import ValidationError

from streamflow.catalog import Column, FileFormat, FileKind
from streamflow.catalog.file_format import BLANKS, DateForm
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.catalog_definitions import format_toml
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.data.contract import value_expression

Changes = dict[str, Any]  # option of a FileFormat -> its new value

NULL_WORDS = {
    *("NA", "N/A", "n/a", "na", "NULL", "null", "None", "none", "NaN", "nan", "nil"),
    *("-", "--", "?", ".", "\\N", "#N/A", "#NV", "#NULL!", "missing", "unknown", "(null)"),
}
TRUE_WORDS = {"true", "yes", "y", "1", "1.0", "t", "ja", "oui", "si", "sim", "churned"}
FALSE_WORDS = {"false", "no", "n", "0", "0.0", "f", "nein", "non", "não", "stayed"}
# In the order in which they are tried. Each names both signs: one of them alone may be the same as
# the other one that is declared.
NUMBER_FORMS: tuple[Changes, ...] = (
    {"decimal": ".", "thousands": ""},
    {"decimal": ",", "thousands": ""},
    {"decimal": ".", "thousands": ","},
    {"decimal": ",", "thousands": "."},
    {"decimal": ",", "thousands": " "},
    {"decimal": ",", "thousands": "\u00a0"},
    {"decimal": ",", "thousands": "\u202f"},
    {"decimal": ".", "thousands": " "},
    {"decimal": ".", "thousands": "'"},
    {"decimal": ".", "thousands": "’"},
    {"decimal": ".", "thousands": "\u00a0"},
    {"decimal": ".", "thousands": "\u202f"},
    {"decimal": ",", "thousands": "'"},
    {"decimal": ",", "thousands": "’"},
)
SIGN = re.compile(r"^[+-]?\s*([^\d\s.,+\-'_]{1,8})\s*\d|\d\s*([^\d\s.,+\-'_eE]{1,8})$")
MAX_SIGNS = 5


def advise_format(
    cells: pl.DataFrame,
    columns: Mapping[str, Column],
    file_format: FileFormat,
    kind: FileKind,
) -> tuple[Changes, int]:
    """Return what to declare differently so that more cells can be read, and how many more.

    A declaration is advised only if more cells can be read with it than without it, and if a
    catalog can have it together with the other declarations of the file.

    Args:
        cells: a sample of the file as text, with the columns of the catalog.

    >>> from streamflow.catalog.file_kinds import CSV
    >>> cells = pl.DataFrame({"fee": ["1,5", "2,25", "n/a"]})
    >>> columns = {"fee": Column(type="float", nullable=True)}
    >>> advise_format(cells, columns, FileFormat(), CSV)
    ({'decimal': ',', 'nulls': ('n/a',)}, 3)
    """
    changes: Changes = {}
    first_count = best_count = _count_readable(cells, columns, file_format, kind)
    for candidate in _propose_changes(cells, columns, file_format):
        merged = {**changes, **candidate}
        changed_format = file_format.model_copy(update=merged)
        if not _can_be_declared(changed_format):
            continue
        count = _count_readable(cells, columns, changed_format, kind)
        if count > best_count:
            changes, best_count = merged, count
    declared = dict(file_format)
    changes = {option: value for option, value in changes.items() if value != declared[option]}
    return changes, best_count - first_count


def _can_be_declared(file_format: FileFormat) -> bool:
    """Tell whether a catalog accepts a format whose options were changed one by one."""
    try:
        FileFormat.model_validate(file_format.model_dump())
    except ValidationError:
        return False
    return True


def write_changes(changes: Changes) -> str:
    """Write declarations as a person types them into the catalog.

    >>> write_changes({"separator": ";", "true": ("Yes",)})
    'separator = ";", true = ["Yes"]'
    """
    return ", ".join(f"{option} = {format_toml(value)}" for option, value in changes.items())


def _count_readable(
    cells: pl.DataFrame,
    columns: Mapping[str, Column],
    file_format: FileFormat,
    kind: FileKind,
) -> int:
    """Count the cells that have a value that their column allows, but for its bounds."""
    readable = [
        _is_readable(pl.col(name), columns[name], file_format, kind).sum().alias(name)
        for name in cells.columns
    ]
    return int(cells.select(readable).sum_horizontal().item()) if readable else 0


def _is_readable(cell: pl.Expr, column: Column, file_format: FileFormat, kind: FileKind) -> pl.Expr:
    text = canonical_cell(cell, column.type, file_format, kind)
    has_form = text.str.contains(COLUMN_TYPES[column.type].pattern)
    value = value_expression(text, column.type)
    has_value = has_form & value.is_not_null()
    if column.categories is not None:
        has_value &= text.is_in(list(column.categories))
    null_is_readable = pl.lit(column.nullable)
    return pl.when(text.is_null()).then(null_is_readable).otherwise(has_value)


def _propose_changes(
    cells: pl.DataFrame,
    columns: Mapping[str, Column],
    file_format: FileFormat,
) -> Iterator[Changes]:
    """Yield the changes to try, one after the other."""
    texts = {column_type: _texts_of(cells, columns, column_type) for column_type in COLUMN_TYPES}
    yield {"trim": True}
    numbers = [*texts["int"], *texts["float"]]
    signs = _find_signs(numbers)
    all_signs = tuple(sorted({*file_format.signs, *signs}))
    sign_change: Changes = {"signs": all_signs} if 0 < len(signs) <= MAX_SIGNS else {}
    yield from ({**number_form, **sign_change} for number_form in ({}, *NUMBER_FORMS))
    if sign_change:
        yield from NUMBER_FORMS
    yield {"whole_floats": True}
    yield from ({"dates": date_form} for date_form in get_args(DateForm))
    # A word has one meaning in a file.
    other_meanings = {*file_format.nulls, *file_format.false}
    true = _choose_words(texts["bool"], TRUE_WORDS, other_meanings)
    other_meanings = {*file_format.nulls, *file_format.true}
    false = _choose_words(texts["bool"], FALSE_WORDS, other_meanings)
    yield {
        "true": _add_words(file_format.true, true, "True"),
        "false": _add_words(file_format.false, false, "False"),
    }
    all_texts = dict.fromkeys(text for column in texts.values() for text in column)
    bool_words = {*file_format.true, *file_format.false}
    nulls = tuple(word for word in all_texts if word in NULL_WORDS - bool_words)
    yield {"nulls": _add_words(file_format.nulls, nulls, "")}


def _choose_words(
    texts: Sequence[str], meant_words: Set[str], other_meanings: Set[str]
) -> tuple[str, ...]:
    """Return the texts that are such words in any case, and have no other meaning."""
    return tuple(
        text for text in texts if text.lower() in meant_words and text not in other_meanings
    )


def _find_signs(numbers: Sequence[str]) -> tuple[str, ...]:
    """Return the signs before or after numbers that are no words for a null, in their order."""
    signs = set()
    for text in numbers:
        for leading_sign, trailing_sign in SIGN.findall(text):
            signs.add(leading_sign or trailing_sign)
    return tuple(sorted(signs - NULL_WORDS - {"e", "E"}))


def _add_words(declared: Sequence[str], new_words: Sequence[str], usual: str) -> tuple[str, ...]:
    """Return the declared words and the new ones, without the one that needs no declaration."""
    return tuple(dict.fromkeys([*declared, *(word for word in new_words if word != usual)]))


def _texts_of(cells: pl.DataFrame, columns: Mapping[str, Column], column_type: str) -> list[str]:
    """Return the different texts in the columns of a type, without blanks around them."""
    names = [name for name in cells.columns if columns[name].type == column_type]
    if not names:
        return []
    texts = pl.concat([cells[name].rename("text") for name in names]).drop_nulls()
    return texts.str.strip_chars(BLANKS).unique(maintain_order=True).to_list()
