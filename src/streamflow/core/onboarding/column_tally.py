"""Count what the cells of a column hold, batch by batch.

The kind of values of a column is guessed from its first cells. All cells are then held against it:
the cells that do not fit are counted by value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import FileFormat
from streamflow.catalog.file_format import BLANKS
from streamflow.catalog.file_kinds import FileKind
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.onboarding.cell_style import Family, guess_family
from streamflow.core.onboarding.column_profile import CellCount

KEPT_VALUES = 100  # distinct values of a column that are counted one by one
LAST_ROWS = 100  # rows of a batch among which a row of sums is looked for
FIRST_ROWS = 1_000  # rows among which a repeated cell is looked for first
FAMILY_VALUES = 300  # distinct values by which the kind of a column is guessed; most of them decide
FEW_REPEATS = 0.05  # share of the rows that may repeat a key in a file of one row per key
ODD_VALUES = 1_000  # distinct values that are not of their column's type, kept one by one
# Blanks, and characters that cannot be seen: an id with one of them looks like a different id.
HIDDEN = r"[\s\x{00A0}\x{00AD}\x{200B}-\x{200F}\x{2060}\x{FEFF}]"
HIDDEN_AROUND = f"^{HIDDEN}|{HIDDEN}$"
# What programs write in the first column of a row of sums.
TOTAL = r"(?i)^\s*((grand|sub) ?)?(total|totals|sum|summe|gesamt|insgesamt)\s*:?\s*$"
HASH_SEED = 20240131

Hashes = NDArray[np.uint64]


@dataclass
class ColumnTally:
    """The counts of one column over the batches so far.

    family       the kind of values that the first cells have; None while all cells were empty
    values       value -> the number of its cells; None once there are too many
    odd          value -> the cells that are not of the family
    hashes       a hash of each cell as a key, while no cell is empty and few cells repeat an
                 earlier one; None after that
    cell_hashes  the hashes of the same cells, where 1.0 and 1 are different
    """

    header: str
    rows: int = 0
    empty: int = 0
    not_ascii: int = 0
    longest: int = 0
    nul: int = 0
    fitting: int = 0
    ints: int = 0
    floats: int = 0
    whole_numbers: int = 0
    low: float | None = None
    high: float | None = None
    padded: int = 0
    family: Family | None = None
    values: dict[str, int] | None = field(default_factory=dict)
    odd: dict[str, CellCount] = field(default_factory=dict)
    odd_cells: int = 0
    hashes: list[Hashes] | None = field(default_factory=list)
    cell_hashes: list[Hashes] = field(default_factory=list)
    hidden: CellCount | None = None
    total: CellCount | None = None
    first_empty: int | None = None
    repeated_cell: str = ""

    def choose_family(self, cells: pl.Series, file_format: FileFormat, kind: FileKind) -> None:
        """Guess the kind of values of the column from the first batch with a value."""
        if self.family is not None:
            return
        first_values = cells.drop_nulls().unique(maintain_order=True).head(FAMILY_VALUES)
        text = pl.col("text")
        forms = pl.DataFrame({"text": first_values.str.strip_chars(BLANKS)}).select(
            text,
            *(
                canonical_cell(text, column_type, file_format, kind).alias(column_type)
                for column_type in ("float", "date", "timestamp")
            ),
        )
        self.family = guess_family(forms.rows())

    def add_counts(self, counts: dict[str, float | int | None]) -> None:
        """Add the counts of a batch, by the names of `count_cells`."""
        for name in ("empty", "not_ascii", "nul", "fitting", "ints", "floats", "whole_numbers"):
            total = getattr(self, name) + int(counts.get(name) or 0)
            setattr(self, name, total)
        self.longest = max(self.longest, int(counts.get("longest") or 0))
        low = counts.get("low")
        high = counts.get("high")
        if low is not None and high is not None:
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)

    def add_odd_cells(
        self,
        cells: pl.Series,
        rows: NDArray[np.int64],
        *,
        is_odd: pl.Series,
    ) -> None:
        """Count the cells that are not of the column's kind, by value."""
        numbered = pl.DataFrame({"value": cells, "row": rows})
        odd_cells = numbered.filter(is_odd & cells.is_not_null())
        self.odd_cells += len(odd_cells)
        count = pl.len().alias("count")
        first_row = pl.col("row").min()
        groups = odd_cells.group_by("value").agg(count, first_row)
        for value, count, row in groups.sort("row").iter_rows():
            earlier = self.odd.get(value)
            if earlier:
                total = earlier.count + count
                self.odd[value] = CellCount(value=value, count=total, row=earlier.row)
            elif len(self.odd) < ODD_VALUES:
                self.odd[value] = CellCount(value=value, count=count, row=row)

    def add_values(self, cells: pl.Series) -> None:
        """Count the cells of each value, while there are few values."""
        if self.values is None:
            return
        counts = cells.drop_nulls().value_counts(name="cells")
        if len(counts) > KEPT_VALUES:
            self.nul += int(cells.str.contains("\0", literal=True).sum())
            self.values = None
            return
        for value, count in counts.iter_rows():
            self.nul += "\0" in value
            self.values[value] = self.values.get(value, 0) + count
        if len(self.values) > KEPT_VALUES:
            self.values = None

    def add_hashes(
        self,
        cells: pl.Series,
        rows: NDArray[np.int64],
        cell_hashes: Hashes,
        keys: pl.Series,
    ) -> None:
        """Keep the hashes of a column whose cells hardly repeat so far.

        Args:
            keys: the cells as they name keys: 1.0 is 1.
        """
        assert self.hashes is not None
        if cells.null_count():
            self.first_empty = int(rows[cells.is_null().arg_max() or 0])
            self.hashes = None
            return
        hashes = hash_cells(keys)
        repeats = len(hashes) - pl.Series(hashes).n_unique()
        if repeats:
            self.repeated_cell = self.repeated_cell or _find_repeated(keys)
        if repeats > FEW_REPEATS * len(hashes):
            self.hashes = None
            return
        self.hashes.append(hashes)
        self.cell_hashes.append(cell_hashes)
        self.hidden = self.hidden or _find_first(cells, rows, HIDDEN_AROUND)
        # A row of sums is among the last rows of a file, so it is among those of a batch.
        last_cells = cells.tail(LAST_ROWS)
        self.total = self.total or _find_first(last_cells, rows[-len(last_cells) :], TOTAL)


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
