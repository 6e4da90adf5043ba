"""Count what the cells of a batch hold in one column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import FileFormat
from streamflow.catalog.file_format import BLANKS
from streamflow.catalog.file_kinds import FileKind
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.onboarding.cell_counts import Counts
from streamflow.core.onboarding.cell_style import Family, guess_family
from streamflow.core.onboarding.column_profile import CellCount

KEPT_VALUES = 100  # distinct values of a column that are counted one by one
LAST_ROWS = 100  # rows of a batch among which a row of sums is looked for
FIRST_ROWS = 1_000  # rows among which a repeated cell is looked for first
FAMILY_VALUES = 300  # distinct values by which the kind of a column is guessed; most of them decide
FEW_REPEATS = 0.05  # share of the rows that may repeat a key in a file of one row per key
WHOLE_FRACTION = r"\.0+$"  # 1.0 and 1 are the same key
# Blanks, and characters that cannot be seen: an id with one of them looks like a different id.
HIDDEN = r"[\s\x{00A0}\x{00AD}\x{200B}-\x{200F}\x{2060}\x{FEFF}]"
HIDDEN_AROUND = f"^{HIDDEN}|{HIDDEN}$"
# What programs write in the first column of a row of sums.
TOTAL = r"(?i)^\s*((grand|sub) ?)?(total|totals|sum|summe|gesamt|insgesamt)\s*:?\s*$"
HASH_SEED = 20240131

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class KeyCells:
    """The cells of a batch in a column that may be the key.

    hashes         a hash of each cell as a key; None where the column is no key after all
    cell_hashes    the hashes of the same cells, where 1.0 and 1 are different
    first_empty    the row of an empty cell
    repeated_cell  a cell that stands twice; empty if there is none
    hidden         a cell with blanks or characters around it that cannot be seen
    total          a cell like those in a row of sums
    """

    hashes: Hashes | None = None
    cell_hashes: Hashes | None = None
    first_empty: int | None = None
    repeated_cell: str = ""
    hidden: CellCount | None = None
    total: CellCount | None = None


@dataclass(frozen=True, kw_only=True)
class ColumnBatch:
    """What a batch holds in one column.

    family     the kind of values against which the cells were held
    counts     the counts by the names of `count_cells`
    values     value -> the number of its cells; None where there are too many
    has_nul    a cell among those that were counted by value holds a NUL
    odd        the cells that are not of the family by value, in the order of their first rows
    key_cells  None if the column was no key before this batch
    """

    family: Family | None
    counts: Counts
    values: dict[str, int] | None
    has_nul: bool
    odd: tuple[CellCount, ...]
    key_cells: KeyCells | None


def guess_column_family(cells: pl.Series, file_format: FileFormat, kind: FileKind) -> Family | None:
    """Guess the kind of values of a column from the cells of a batch. None: no cell has a value."""
    first_values = cells.drop_nulls().unique(maintain_order=True).head(FAMILY_VALUES)
    text = pl.col("text")
    forms = pl.DataFrame({"text": first_values.str.strip_chars(BLANKS)}).select(
        text,
        *(
            canonical_cell(text, column_type, file_format, kind).alias(column_type)
            for column_type in ("float", "date", "timestamp")
        ),
    )
    return guess_family(forms.rows())


def count_values(cells: pl.Series) -> tuple[dict[str, int] | None, bool]:
    """Count the cells of each value.

    Returns:
        Value -> the number of its cells, or None if there are too many values; and whether a cell
        holds a NUL.
    """
    counts = cells.value_counts(name="cells").drop_nulls()
    if len(counts) > KEPT_VALUES:
        return None, bool(cells.str.contains("\0", literal=True).any())
    values: dict[str, int] = dict(counts.iter_rows())
    return values, any("\0" in value for value in values)


def list_odd_cells(
    cells: pl.Series,
    rows: NDArray[np.int64],
    is_odd: pl.Series,
) -> Iterator[CellCount]:
    """List the cells that are not of the column's kind by value, in the order of their rows."""
    numbered = pl.DataFrame({"value": cells, "row": rows})
    odd_cells = numbered.filter(is_odd & cells.is_not_null())
    count = pl.len().alias("count")
    first_row = pl.col("row").min()
    groups = odd_cells.group_by("value").agg(count, first_row)
    for value, value_count, row in groups.sort("row").iter_rows():
        yield CellCount(value=value, count=value_count, row=row)


def read_key_cells(
    cells: pl.Series,
    rows: NDArray[np.int64],
    cell_hashes: Hashes,
    family: Family | None,
) -> KeyCells:
    """Look at the cells of a column as keys."""
    if cells.null_count():
        return KeyCells(first_empty=int(rows[cells.is_null().arg_max() or 0]))
    keys = cells
    if family == "number":
        keys = cells.str.strip_chars(BLANKS).str.replace(WHOLE_FRACTION, "")
    hashes = hash_cells(keys)
    repeats = len(hashes) - pl.Series(hashes).n_unique()
    repeated_cell = _find_repeated(keys) if repeats else ""
    if repeats > FEW_REPEATS * len(hashes):
        return KeyCells(repeated_cell=repeated_cell)
    # A row of sums is among the last rows of a file, so it is among those of a batch.
    last_cells = cells.tail(LAST_ROWS)
    return KeyCells(
        hashes=hashes,
        cell_hashes=cell_hashes,
        repeated_cell=repeated_cell,
        hidden=_find_first(cells, rows, HIDDEN_AROUND),
        total=_find_first(last_cells, rows[-len(last_cells) :], TOTAL),
    )


def hash_cells(cells: pl.Series) -> Hashes:
    """Return a hash of each cell; shape (n,)."""
    return cells.hash(HASH_SEED).to_numpy()


def _find_repeated(keys: pl.Series) -> str:
    """Return a key that stands twice in a column. Most often the first rows show one."""
    first_keys = keys.head(FIRST_ROWS)
    searched = keys if first_keys.n_unique() == len(first_keys) else first_keys
    return str(searched.filter(searched.is_duplicated())[0])


def _find_first(cells: pl.Series, rows: NDArray[np.int64], pattern: str) -> CellCount | None:
    """Return the first cell that matches a pattern."""
    positions = cells.str.contains(pattern).arg_true()
    if positions.is_empty():
        return None
    position = positions[0]
    return CellCount(value=cells[position], count=1, row=int(rows[position]))
