"""Turn the counts of a column into what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import polars as pl

from streamflow.catalog import ColumnType
from streamflow.catalog.file_format import BLANKS
from streamflow.core.onboarding.cell_style import TYPE_SHARE, is_null_word
from streamflow.core.onboarding.column_batch import Hashes
from streamflow.core.onboarding.column_profile import CellCount, ColumnProfile
from streamflow.core.onboarding.column_tally import ColumnTally


def make_profile(tally: ColumnTally, name: str) -> ColumnProfile:
    """Say what a column holds, after the last batch. `name` is its name in the catalog."""
    kind = _decide_type(tally)
    is_numeric = kind in ("int", "float")
    odd = _list_odd(tally) if kind not in ("string", None) else _list_blanks(tally)
    repeats = _count_repeats(tally.hashes)
    odd_count = sum(cell.count for cell in odd)
    if kind not in ("string", None):
        odd_count = tally.odd_cells
    return ColumnProfile(
        name=name,
        header=tally.header,
        rows=tally.rows,
        empty=tally.empty,
        kind=kind,
        fitting=tally.rows - tally.empty - odd_count,
        low=tally.low if is_numeric else None,
        high=tally.high if is_numeric else None,
        longest=tally.longest,
        values=_list_values(tally),
        unique=repeats == 0 and tally.rows > 0,
        repeats=repeats,
        is_whole=is_numeric and tally.whole_numbers == tally.fitting,
        odd=tuple(sorted(odd, key=lambda cell: (-cell.count, cell.row))),
        odd_cells=odd_count,
        padded=_count_padded(tally),
        hidden=tally.hidden,
        total=tally.total,
        mixed=kind == "string" and tally.family == "number" and _seems_typed(tally),
        first_empty=tally.first_empty,
        repeated_cell=tally.repeated_cell,
    )


def _decide_type(tally: ColumnTally) -> ColumnType | None:
    """Return the narrowest type that nearly all cells with a value fit."""
    if _seems_typed(tally):
        if tally.family in ("bool", "date", "timestamp"):
            return cast("ColumnType", tally.family)
        if tally.family == "number" and tally.ints == tally.fitting:
            return "int"
        if tally.family == "number" and tally.floats == tally.fitting:
            return "float"
    return None if tally.nul else "string"


def _seems_typed(tally: ColumnTally) -> bool:
    """Tell whether nearly all cells with a value are of the column's kind."""
    nulls = sum(odd.count for odd in tally.odd.values() if is_null_word(odd.value))
    filled = tally.rows - tally.empty - nulls
    return bool(tally.fitting) and tally.fitting >= TYPE_SHARE * filled


def _list_odd(tally: ColumnTally) -> list[CellCount]:
    return list(tally.odd.values())


def _list_blanks(tally: ColumnTally) -> list[CellCount]:
    """List the cells of text that hold blanks only."""
    if tally.family == "text" and tally.values is None:
        return []  # there are many texts, and nobody counted all blank ones
    return [cell for cell in tally.odd.values() if not cell.value.strip(BLANKS)]


def _list_values(tally: ColumnTally) -> tuple[tuple[str, int], ...] | None:
    """Return each value without blanks around it, and the number of its cells, in order."""
    if tally.values is None:
        return None
    counts: dict[str, int] = {}
    for value, count in tally.values.items():
        bare = value.strip(BLANKS)
        if bare:
            counts[bare] = counts.get(bare, 0) + count
    return tuple(sorted(counts.items()))


def _count_padded(tally: ColumnTally) -> int:
    """Return how many cells have blanks around a value, as far as values were counted."""
    counts = dict(tally.values or {})
    counts |= {cell.value: cell.count for cell in tally.odd.values()}
    return sum(count for value, count in counts.items() if value.strip(BLANKS) not in ("", value))


def _count_repeats(hashes: Iterable[Hashes] | None) -> int | None:
    """Count the cells that repeat an earlier one; None if there were many."""
    if hashes is None:
        return None
    all_hashes = pl.concat([pl.Series(dtype=pl.UInt64), *map(pl.Series, hashes)])
    return len(all_hashes) - all_hashes.n_unique()
