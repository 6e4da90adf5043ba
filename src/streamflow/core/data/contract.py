"""The contract of a drop: what the catalog promises of each file, checked whole before anything is written.

Cells arrive as text, in batches. A first schema checks their form, a second one their value once they are typed; both are
pandera's, made from the catalog. Rows are named by their number in the file; the physical line is found later, only for an
error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from streamflow.catalog import Catalog, Column

INT64 = r"^[+-]?\d{1,19}$"
NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
FORMS = {
    "int": INT64,
    "float": NUMBER,
    "bool": r"^(True|False)$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})?$",
    "string": r"^[^\x00]*$",
}
WORDS = {
    "int": "a whole number of 64 bits",
    "float": "a finite number",
    "bool": "True or False",
    "date": "a date YYYY-MM-DD",
    "timestamp": "an instant YYYY-MM-DD HH:MM:SS",
    "string": "text without NUL",
}
POLARS_TYPES: Mapping[str, Any] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "bool": pl.Boolean,
    "string": pl.String,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One broken promise.

    row    the record's number in the file, from 0, the header being -1; None: no one record
    key    whose row it is, where that is known
    fatal  the file as a whole cannot be used, whatever rows are left out
    """

    table: str
    column: str | None
    row: int | None
    expected: str
    got: str | None
    key: str | int | None = None
    fatal: bool = False


def expectation(column: Column) -> str:
    """What a cell of `column` must be, in words.

    >>> expectation(Column(type="float", min=0))
    'number >= 0'
    """
    if column.categories is not None:
        return "one of " + ", ".join(repr(c) for c in column.categories)
    word = {"int": "integer", "float": "number", "string": "text"}.get(
        column.type, WORDS[column.type]
    )
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">=", column.min), ("<=", column.max))
        if bound is not None
    ]
    length = [f"of at most {column.max_length} characters"] if column.max_length else []
    return " ".join([word, *(" and ".join(bounds).split() if bounds else []), *length])


def read_cells(
    text: pl.DataFrame,
    rows: NDArray[np.int64],
    columns: Mapping[str, Column],
    *,
    key: str,
    table: str,
) -> tuple[pl.DataFrame, list[Violation]]:
    """Turn a batch of text into typed values.

    text      (n, ·)  strings, a null where the cell is empty; exactly the names of `columns`
    rows      (n,)    the number of each row in its file
    returns   (n, ·)  typed as the catalog says, in its order, and everything that breaks the contract cell by cell
    """
    text = text.select(pl.col(name).cast(pl.String) for name in columns)
    malformed = _failures(_form_schema(columns), text)
    typed = pl.DataFrame([_typed(text[name], column) for name, column in columns.items()])
    for name in columns:  # 2^63, 1e309 or 2024-02-30 have the right form and still no value
        lost = (text[name].is_not_null() & typed[name].is_null()).arg_true().to_list()
        malformed |= {(name, place) for place in lost}
    wrong = [(name, place, WORDS[columns[name].type]) for name, place in malformed]
    wrong += [
        (name, place, expectation(columns[name]))
        for name, place in _failures(_value_schema(columns), typed) - malformed
    ]
    violations = [
        Violation(
            table=table,
            column=name,
            row=int(rows[place]),
            expected=words,
            got=_shown(text[name][place]),
            key=typed[key][place],
        )
        for name, place, words in wrong
    ]
    return typed, sorted(violations, key=lambda v: (v.row or 0, v.column or ""))


def repeated_keys(keys: pl.DataFrame, *, key: str, table: str) -> list[Violation]:
    """Every row of a key that stands in its file more than once. `keys` holds `key` and `row`."""
    known = keys.drop_nulls(key)
    twice = known.filter(known[key].is_duplicated())
    return [
        Violation(
            table=table,
            column=key,
            row=row,
            expected=f"a key that occurs once in {table}",
            got=repr(str(value)),
            key=value,
        )
        for value, row in twice.select(key, "row").iter_rows()
    ]


def cross_check(keys: Mapping[str, pl.DataFrame], catalog: Catalog) -> list[Violation]:
    """Every key must be one of the entity's own table, and the files behind features that are never null must be complete.

    keys  table -> frame with the entity's key and `row`
    """
    owner = catalog.entity.table
    if owner not in keys:
        return []
    violations = []
    for table, frame in keys.items():
        if table != owner:
            violations += _strangers(table, frame, keys[owner], catalog)
            if any(f.table == table and not f.column.nullable for f in catalog.features):
                violations += _absent(table, frame, keys[owner], catalog)
    return violations


def _strangers(
    table: str, frame: pl.DataFrame, known: pl.DataFrame, catalog: Catalog
) -> list[Violation]:
    key, expected = catalog.entity.key, f"a key that {catalog.file(catalog.entity.table)} holds"
    unknown = frame.drop_nulls(key).join(known, on=key, how="anti").sort("row")
    return [
        Violation(
            table=table, column=key, row=row, expected=expected, got=repr(str(value)), key=value
        )
        for value, row in unknown.select(key, "row").iter_rows()
    ]


def _absent(
    table: str, frame: pl.DataFrame, known: pl.DataFrame, catalog: Catalog
) -> list[Violation]:
    key = catalog.entity.key
    expected = f"a row for each key of {catalog.file(catalog.entity.table)}, since its features are not nullable"
    absent = known.drop_nulls(key).join(frame, on=key, how="anti").unique(key).sort(key)
    return [
        Violation(
            table=table, column=key, row=None, expected=expected, got=f"none for {str(k)!r}", key=k
        )
        for k in absent[key]
    ]


def header_violations(table: str, header: Sequence[str], columns: Sequence[str]) -> list[Violation]:
    """Missing, extra and repeated columns of one file."""
    counts = {name: list(header).count(name) for name in header}
    found: list[tuple[str, str, str | None]] = [
        ("column to stand once", name, f"{n} times") for name, n in counts.items() if n > 1
    ]
    found += [("column to be there", name, None) for name in columns if name not in counts]
    found += [
        ("no column that the catalog does not declare", name, repr(name))
        for name in counts
        if name not in columns
    ]
    return [
        Violation(table=table, column=name, row=-1, expected=words, got=got, fatal=True)
        for words, name, got in found
    ]


def _form_schema(columns: Mapping[str, Column]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {
            n: pa.Column(pl.String, pa.Check.str_matches(FORMS[c.type]), nullable=True)
            for n, c in columns.items()
        }
    )


def _value_schema(columns: Mapping[str, Column]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {
            name: pa.Column(POLARS_TYPES[c.type], _checks(c), nullable=c.nullable)
            for name, c in columns.items()
        }
    )


def _checks(column: Column) -> list[pa.Check]:
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


def _failures(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> set[tuple[str, int]]:
    """The cells (column, row) that break `schema`."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as exc:
        cases = exc.failure_cases
        return {(column, row) for column, row in zip(cases["column"], cases["index"], strict=True)}
    return set()


def _typed(text: pl.Series, column: Column) -> pl.Series:
    """The values of a column of text; a null where there is none."""
    if column.type == "bool":
        return text.replace_strict(
            {"True": True, "False": False}, default=None, return_dtype=pl.Boolean
        )
    if column.type == "date":
        return text.str.to_date("%Y-%m-%d", strict=False)
    if column.type == "timestamp":
        return text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if column.type == "float":
        number = text.cast(pl.Float64, strict=False)
        finite = pl.when(number == 0).then(0.0).when(number.is_finite()).then(number)  # -0.0 is 0.0
        return pl.select(finite.alias(text.name)).to_series()
    return text.cast(POLARS_TYPES[column.type], strict=False)


def _shown(cell: str | None) -> str:
    return "an empty cell" if cell is None else repr(cell)
