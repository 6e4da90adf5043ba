"""Count what all columns of a file hold in one batch of its rows.

Several batches are counted at the same time, so nothing here depends on the result of a different
batch, but for what was expected of the columns before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import FileFormat
from streamflow.catalog.file_format import BLANKS
from streamflow.catalog.file_kinds import FileKind
from streamflow.core.onboarding.cell_counts import count_cells
from streamflow.core.onboarding.cell_style import Family
from streamflow.core.onboarding.column_batch import (
    HASH_SEED,
    ColumnBatch,
    Hashes,
    KeyCells,
    count_values,
    guess_families,
    hash_cells,
    list_odd_cells,
    read_key_cells,
)
from streamflow.core.onboarding.expected_columns import CountedColumn, ExpectedColumns

# Odd numbers, so that no hash loses bits; each column has a different one.
MULTIPLIER = 0x9E3779B97F4A7C15


@dataclass(frozen=True, kw_only=True)
class FileBatch:
    """What a batch of rows holds.

    row_hashes  (n,) a hash of each row, from which the hash of a key can be taken off again
    repeating   the columns that are hashed together in each batch
    """

    rows: int
    columns: Mapping[str, ColumnBatch]
    row_hashes: Hashes
    repeating: Sequence[str]


def count_batch(
    rows: NDArray[np.int64],
    cells: pl.DataFrame,
    expected: ExpectedColumns,
    file_format: FileFormat,
    kind: FileKind,
) -> FileBatch:
    """Count the cells of a batch.

    Args:
        rows: (n,) the numbers of the rows in the file, from 0.
        cells: (n, ·) text, in columns named by the headers; a null where a cell is empty.
    """
    columns = _guess_unknown(cells, expected.columns, file_format, kind)
    counts, fitting = count_cells(cells, columns, file_format, kind)
    cell_hashes = {
        header: hash_cells(cells[header])
        for header in columns
        if header not in (expected.repeating or ())
    }
    batches = {}
    for header, column in columns.items():
        values, has_nul = count_values(cells[header]) if column.has_values else (None, False)
        key_cells = None
        if column.may_be_key:
            key_cells = read_key_cells(cells[header], rows, cell_hashes[header], column.family)
        is_odd = _find_odd_cells(cells[header], column.family, fitting, values)
        batches[header] = ColumnBatch(
            family=column.family,
            counts=counts[header],
            values=values,
            has_nul=has_nul,
            odd=() if is_odd is None else tuple(list_odd_cells(cells[header], rows, is_odd)),
            key_cells=key_cells,
        )
    repeating = expected.repeating
    if repeating is None:
        repeating = [header for header, batch in batches.items() if not _may_be_key(batch)]
    row_hashes = _hash_rows(cells, repeating, cell_hashes)
    return FileBatch(rows=len(cells), columns=batches, row_hashes=row_hashes, repeating=repeating)


def _guess_unknown(
    cells: pl.DataFrame,
    expected: Mapping[str, CountedColumn],
    file_format: FileFormat,
    kind: FileKind,
) -> dict[str, CountedColumn]:
    """Add the kind of values to the columns whose cells were all empty before this batch."""
    unknown = [header for header, column in expected.items() if column.family is None]
    families = guess_families(cells, unknown, file_format, kind)
    columns = {}
    for header, column in expected.items():
        family = families.get(header, column.family)
        columns[header] = replace(column, family=family)
    return columns


def _may_be_key(batch: ColumnBatch) -> bool:
    """Tell whether the cells of a batch still may be keys."""
    key_cells = batch.key_cells or KeyCells()
    return key_cells.hashes is not None


def _find_odd_cells(
    cells: pl.Series,
    family: Family | None,
    fitting: pl.DataFrame,
    values: Iterable[str] | None,
) -> pl.Series | None:
    """Tell which cells are not of their column's kind. None: there are no such cells.

    Of texts these are the blank cells, as far as values are counted one by one.
    """
    if cells.name in fitting:
        return ~fitting[cells.name].fill_null(value=False)
    if family is None and cells.null_count() < len(cells):
        # Blanks and words for a missing value come before the first value.
        return pl.repeat(value=True, n=len(cells), eager=True)
    if family == "text" and any(not value.strip(BLANKS) for value in values or ()):
        return cells.str.strip_chars(BLANKS) == ""
    return None


def _hash_rows(
    cells: pl.DataFrame,
    repeating: Sequence[str],
    cell_hashes: Mapping[str, Hashes],
) -> Hashes:
    """Hash each row, in a way that the hash of a key can be taken off again.

    Most columns repeat a cell already in the first batch, so they are no key. These columns are
    hashed together, which takes less time. The hash of each of the others is added.
    """
    row_hashes = np.zeros(len(cells), dtype=np.uint64)
    if repeating:
        row_hashes = cells.select(repeating).hash_rows(HASH_SEED).to_numpy().copy()
    for number, header in enumerate(cells.columns):
        if header not in repeating:
            row_hashes += cell_hashes[header] * column_multiplier(number)
    return row_hashes


def column_multiplier(number: int) -> np.uint64:
    """Return the number by which the hashes of a column are multiplied in the sum of a row."""
    return np.uint64((MULTIPLIER * (2 * number + 1)) % 2**64)
