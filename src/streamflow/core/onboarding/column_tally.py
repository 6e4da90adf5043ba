"""Count what the cells of a column hold, batch by batch.

The kind of values of a column is guessed from its first cells. All cells are then held against it:
the cells that do not fit are counted by value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import ColumnType, FileFormat
from streamflow.catalog.file_format import BLANKS
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.data.contract import value_expression
from streamflow.core.onboarding.cell_style import (
    SAMPLED_VALUES,
    TYPE_SHARE,
    Family,
    guess_family,
    is_null_word,
)
from streamflow.core.onboarding.column_profile import CellCount, ColumnProfile

KEPT_VALUES = 100  # distinct values of a column that are counted one by one
ODD_VALUES = 1_000  # distinct values that are not of their column's type, kept one by one
# Blanks, and characters that cannot be seen: an id with one of them looks like a different id.
HIDDEN = r"[\s\x{00A0}\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]"
HIDDEN_AROUND = f"^{HIDDEN}|{HIDDEN}$"

Hashes = NDArray[np.uint64]
Counts = Mapping[str, float | int | None]


@dataclass
class ColumnTally:
    """The counts of one column over the batches so far.

    family  the kind of values that the first cells have; None while all cells were empty
    values  value -> the number of its cells; None once there are too many
    hashes  a hash of each cell as a key, while no cell is empty and no two cells are equal; None
            after that. In `cell_hashes` 1.0 and 1 are different
    """

    header: str
    rows: int = 0
    empty: int = 0
    padded: int = 0
    not_ascii: int = 0
    longest: int = 0
    nul: int = 0
    fitting: int = 0
    ints: int = 0
    floats: int = 0
    whole: int = 0
    low: float | None = None
    high: float | None = None
    family: Family | None = None
    values: dict[str, int] | None = field(default_factory=dict)
    hashes: list[Hashes] | None = field(default_factory=list)
    cell_hashes: list[Hashes] = field(default_factory=list)
    odd: dict[str, CellCount] = field(default_factory=dict)
    odd_cells: int = 0
    hidden: CellCount | None = None
    first_empty: int | None = None
    repeated_cell: str = ""

    def add(self, counts: Counts) -> None:
        """Add the counts of a batch, by the names of `measure_column`."""
        for name in ("empty", "padded", "not_ascii", "nul", "fitting", "ints", "floats", "whole"):
            setattr(self, name, getattr(self, name) + int(counts.get(name) or 0))
        self.longest = max(self.longest, int(counts.get("longest") or 0))
        for name, choose in (("low", min), ("high", max)):
            values = [value for value in (getattr(self, name), counts.get(name)) if value is not None]
            setattr(self, name, choose(values, default=None))


def choose_family(tally: ColumnTally, cells: pl.Series, file_format: FileFormat) -> None:
    """Guess the kind of values of a column from the first batch with a value."""
    if tally.family is not None:
        return
    first_values = cells.drop_nulls().unique(maintain_order=True).head(SAMPLED_VALUES)
    frame = pl.select(text=first_values.str.strip_chars(BLANKS)).select(
        pl.col("text"), number=canonical_cell(pl.col("text"), "float", file_format)
    )
    forms = [number if number is not None else text for text, number in frame.iter_rows()]
    tally.family = guess_family(forms)


def measure_column(header: str, family: Family | None, file_format: FileFormat) -> dict[str, pl.Expr]:
    """Return the expressions that count what the cells of a column hold, by name."""
    cell = pl.col(header)
    bare = cell.str.strip_chars(BLANKS)
    measures = {
        "empty": cell.null_count(),
        "padded": ((bare != cell) & (bare != "")).sum(),
        "longest": bare.str.len_chars().max(),
    }
    if file_format.encoding not in ("utf-8", "utf-8-sig"):
        measures["not_ascii"] = (cell.str.len_bytes() != cell.str.len_chars()).sum()
    if family == "number":
        return measures | _measure_numbers(bare, file_format)
    if family == "text" or family is None:
        measures["nul"] = cell.str.contains("\0", literal=True).sum()
    measures["fitting"] = fits(header, family, file_format).sum()
    return measures


def _measure_numbers(bare: pl.Expr, file_format: FileFormat) -> dict[str, pl.Expr]:
    """Return the expressions that count numbers of each form."""
    number = canonical_cell(bare, "float", file_format)
    is_int = _has_value(number, "int")
    is_float = _has_value(number, "float")
    value = pl.when(is_int | is_float).then(number.cast(pl.Float64, strict=False))
    return {
        "fitting": (is_int | is_float).sum(),
        "ints": is_int.sum(),
        "floats": is_float.sum(),
        "whole": (value.floor() == value).sum(),
        "low": value.min(),
        "high": value.max(),
    }


def _has_value(cell: pl.Expr, column_type: ColumnType) -> pl.Expr:
    """Return whether a cell has the form of a type, and a value."""
    has_form = cell.str.contains(str(COLUMN_TYPES[column_type].guess_form))
    return has_form & value_expression(cell, column_type).is_not_null()


def fits(header: str, family: Family | None, file_format: FileFormat) -> pl.Expr:
    """Return whether a cell is of the kind of values of its column. A blank cell is of none."""
    bare = pl.col(header).str.strip_chars(BLANKS)
    if family == "number":
        number = canonical_cell(bare, "float", file_format)
        return _has_value(number, "int") | _has_value(number, "float")
    if family == "bool":
        return bare.str.to_lowercase().is_in(["true", "false"])
    if family == "date":
        return _has_value(bare, "date")
    if family == "timestamp":
        return _has_value(bare, "timestamp")
    return bare != ""


def add_odd_cells(tally: ColumnTally, cells: pl.Series, rows: NDArray[np.int64], odd: pl.Series) -> None:
    """Count the cells that are not of the column's kind, by value."""
    frame = pl.DataFrame({"value": cells, "row": rows}).filter(odd & cells.is_not_null())
    groups = frame.group_by("value").agg(pl.len().alias("count"), pl.col("row").min())
    tally.odd_cells += len(frame)
    for value, count, row in groups.iter_rows():
        earlier = tally.odd.get(value)
        if earlier:
            tally.odd[value] = CellCount(value=value, count=earlier.count + count, row=earlier.row)
        elif len(tally.odd) < ODD_VALUES:
            tally.odd[value] = CellCount(value=value, count=count, row=row)


def add_values(tally: ColumnTally, cells: pl.Series) -> None:
    """Count the cells of each value, while there are few values."""
    if tally.values is None:
        return
    counts = cells.str.strip_chars(BLANKS).drop_nulls().value_counts(name="cells")
    if len(counts) > KEPT_VALUES:
        tally.values = None
        return
    for value, count in counts.iter_rows():
        if value:
            tally.values[value] = tally.values.get(value, 0) + count
    if len(tally.values) > KEPT_VALUES:
        tally.values = None


def add_hashes(
    tally: ColumnTally,
    cells: pl.Series,
    rows: NDArray[np.int64],
    cell_hashes: Hashes,
    hashes: Hashes,
) -> None:
    """Keep the hashes of a column whose cells are all different so far, and its hidden blanks."""
    assert tally.hashes is not None
    if cells.null_count():
        tally.first_empty = int(rows[cells.is_null().arg_max() or 0])
        tally.hashes = None
        return
    if len(np.unique(hashes)) < len(hashes):
        tally.repeated_cell = cells.filter(cells.is_duplicated())[0]
        tally.hashes = None
        return
    tally.hashes.append(hashes)
    tally.cell_hashes.append(cell_hashes)
    if tally.hidden is None:
        has_hidden = cells.str.contains(HIDDEN_AROUND)
        position = has_hidden.arg_max()
        if position is not None and has_hidden[position]:
            tally.hidden = CellCount(value=cells[position], count=1, row=int(rows[position]))


def make_profile(tally: ColumnTally, name: str) -> ColumnProfile:
    """Say what a column holds, after the last batch."""
    kind = _decide_type(tally)
    is_typed = kind not in ("string", None)
    is_numeric = kind in ("int", "float")
    values = None if tally.values is None else tuple(sorted(tally.values.items()))
    odd = sorted(tally.odd.values(), key=lambda cell: (-cell.count, cell.row))
    if not is_typed:
        odd = [cell for cell in odd if not cell.value.strip()]
    filled = tally.rows - tally.empty
    odd_cells = filled - tally.fitting if is_typed else sum(cell.count for cell in odd)
    return ColumnProfile(
        name=name,
        header=tally.header,
        rows=tally.rows,
        empty=tally.empty,
        kind=kind,
        fitting=filled - odd_cells,
        low=tally.low if is_numeric else None,
        high=tally.high if is_numeric else None,
        longest=tally.longest,
        values=values,
        unique=tally.hashes is not None and _all_differ(tally.hashes),
        whole=is_numeric and tally.whole == tally.fitting,
        odd=tuple(odd),
        odd_cells=odd_cells,
        padded=tally.padded,
        hidden=tally.hidden,
        first_empty=tally.first_empty,
        repeated_cell=tally.repeated_cell,
        not_ascii=tally.not_ascii,
    )


def _decide_type(tally: ColumnTally) -> ColumnType | None:
    """Return the narrowest type that nearly all cells with a value fit."""
    nulls = sum(odd.count for odd in tally.odd.values() if is_null_word(odd.value))
    filled = tally.rows - tally.empty - nulls
    fitting = tally.fitting
    is_typed = bool(fitting) and fitting >= TYPE_SHARE * filled
    if tally.family in ("bool", "date", "timestamp") and is_typed:
        return tally.family  # type: ignore[return-value]  # the three are types of columns
    if tally.family == "number" and is_typed:
        if tally.ints == fitting:
            return "int"
        if tally.floats == fitting:
            return "float"
    return None if tally.nul else "string"


def _all_differ(hashes: Iterable[Hashes]) -> bool:
    """Return whether no two hashes of all batches are equal."""
    all_hashes = np.concatenate([np.empty(0, dtype=np.uint64), *hashes])
    return 0 < len(all_hashes) == len(np.unique(all_hashes))
