"""Add up what the cells of a column hold, batch by batch.

The kind of values of a column is guessed from its first cells. All cells are then held against it:
the cells that do not fit are counted by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from streamflow.core.onboarding.cell_counts import CountedColumn, Counts
from streamflow.core.onboarding.cell_style import Family
from streamflow.core.onboarding.column_batch import KEPT_VALUES, ColumnBatch, Hashes, KeyCells
from streamflow.core.onboarding.column_profile import CellCount

ODD_VALUES = 1_000  # distinct values that are not of their column's type, kept one by one


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

    def expect(self) -> CountedColumn:
        """Return what is known of the column now."""
        return CountedColumn(
            family=self.family,
            may_be_int=self.ints == self.fitting,
            has_values=self.values is not None,
            may_be_key=self.hashes is not None,
        )

    def add(self, rows: int, batch: ColumnBatch) -> None:
        """Add what a batch of `rows` rows holds."""
        self.rows += rows
        self.family = batch.family
        self.nul += batch.has_nul
        self._add_counts(batch.counts)
        self._add_values(batch.values)
        self._add_odd_cells(batch.odd)
        self._add_keys(batch.key_cells)

    def _add_counts(self, counts: Counts) -> None:
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

    def _add_odd_cells(self, odd_cells: Sequence[CellCount]) -> None:
        """Add the cells that are not of the column's kind, by value."""
        for cell in odd_cells:
            self.odd_cells += cell.count
            earlier = self.odd.get(cell.value)
            if earlier:
                total = earlier.count + cell.count
                self.odd[cell.value] = CellCount(value=cell.value, count=total, row=earlier.row)
            elif len(self.odd) < ODD_VALUES:
                self.odd[cell.value] = cell

    def _add_values(self, values: dict[str, int] | None) -> None:
        """Add the cells of each value, while there are few values."""
        if self.values is None or values is None:
            self.values = None
            return
        for value, count in values.items():
            self.values[value] = self.values.get(value, 0) + count
        if len(self.values) > KEPT_VALUES:
            self.values = None

    def _add_keys(self, key_cells: KeyCells | None) -> None:
        """Keep the hashes of a column whose cells hardly repeat so far."""
        if self.hashes is None or key_cells is None:
            return
        self.repeated_cell = self.repeated_cell or key_cells.repeated_cell
        if key_cells.hashes is None or key_cells.cell_hashes is None:
            self.first_empty = key_cells.first_empty
            self.hashes = None
            return
        self.hashes.append(key_cells.hashes)
        self.cell_hashes.append(key_cells.cell_hashes)
        self.hidden = self.hidden or key_cells.hidden
        self.total = self.total or key_cells.total
