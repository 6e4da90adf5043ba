"""Check the cells of a drop with pandera, by what the catalog promises of each file.

A first schema checks how the cells are written, and a second schema checks their values once they
are typed; both are pandera schemas, made from the catalog.

The import of pandera takes longer than that of everything else here. So only the commands that
read files import this module.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandera.polars as pa
import polars as pl
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from streamflow.catalog import STRICT_CSV, Column, FileFormat, FileKind
from streamflow.catalog.file_kinds import CSV
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.cell_forms import canonical_cells
from streamflow.core.data.contract import (
    DropViolation,
    describe_expectation,
    polars_type,
    quote_cell,
    value_expression,
)


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


def _parse_column(text: pl.Series, column: Column) -> pl.Series:
    """Convert a column of text to its type; a cell without a value becomes a null."""
    values = value_expression(pl.col(text.name), column.type).alias(text.name)
    return text.to_frame().select(values).to_series()


def _format_cell(cell: str | None) -> str:
    return "an empty cell" if cell is None else quote_cell(cell)
