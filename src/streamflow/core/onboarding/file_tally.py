"""Count what all columns of a file hold, in one pass over its batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import FileFormat
from streamflow.catalog.file_format import BLANKS
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.column_tally import (
    ColumnTally,
    Hashes,
    add_hashes,
    add_odd_cells,
    add_values,
    choose_family,
    fits,
    make_profile,
    measure_column,
)

HASH_SEED = 20240131
WHOLE_FRACTION = r"\.0+$"  # 1.0 and 1 are the same key
# Odd numbers, so that no hash loses bits; each column has a different one.
MULTIPLIER = 0x9E3779B97F4A7C15


class FileTally:
    """The counts of all columns of a file over the batches so far."""

    def __init__(self, headers: Sequence[str], file_format: FileFormat) -> None:
        self.file_format = file_format
        self.rows = 0
        self.columns = {header: ColumnTally(header=header) for header in headers}
        self._row_hashes: list[Hashes] = []

    def add(self, rows: NDArray[np.int64], cells: pl.DataFrame) -> None:
        """Count the cells of a batch.

        Args:
            rows: (n,) the numbers of the rows in the file, from 0.
            cells: (n, ·) text, in columns named by the headers; a null where a cell is empty.
        """
        if cells.is_empty():
            return
        for header, tally in self.columns.items():
            choose_family(tally, cells[header], self.file_format)
        self.rows += len(cells)
        self._count(cells)
        self._count_odd_cells(rows, cells)
        self._hash(rows, cells)

    def _count(self, cells: pl.DataFrame) -> None:
        """Count the cells of each form, in all columns at once."""
        expressions = [
            expression.alias(f"{number}.{name}")
            for number, tally in enumerate(self.columns.values())
            for name, expression in self._measures(tally).items()
        ]
        counts = cells.select(expressions).row(0, named=True)
        for number, tally in enumerate(self.columns.values()):
            tally.rows += len(cells)
            tally.add({name: counts[f"{number}.{name}"] for name in self._measures(tally)})
            add_values(tally, cells[tally.header])

    def _measures(self, tally: ColumnTally) -> dict[str, pl.Expr]:
        return measure_column(tally.header, tally.family, self.file_format)

    def _count_odd_cells(self, rows: NDArray[np.int64], cells: pl.DataFrame) -> None:
        """Count the cells that are not of their column's kind, in the columns that have some."""
        for header, tally in self.columns.items():
            known_cells = tally.fitting + tally.empty + tally.odd_cells
            if known_cells == tally.rows:
                continue
            is_odd = cells.select(~fits(header, tally.family, self.file_format)).to_series()
            add_odd_cells(tally, cells[header], rows, is_odd.fill_null(value=True))

    def _hash(self, rows: NDArray[np.int64], cells: pl.DataFrame) -> None:
        """Hash each cell, and add the hashes of each row up."""
        hashes = cells.select(pl.all().hash(HASH_SEED))
        sums = np.zeros(len(cells), dtype=np.uint64)
        for number, (header, tally) in enumerate(self.columns.items()):
            column_hashes = hashes[header].to_numpy()
            sums += column_hashes * _multiplier(number)
            if tally.hashes is not None:
                key_hashes = cells.select(_key_text(tally).hash(HASH_SEED)).to_series().to_numpy()
                add_hashes(tally, cells[header], rows, column_hashes, key_hashes)
        self._row_hashes.append(sums)

    def key_hashes(self, header: str) -> Hashes:
        """Return the hashes of a column whose cells are all different; shape (n,)."""
        hashes = self.columns[header].hashes
        assert hashes is not None
        return join_hashes(hashes)

    def count_repeated(self, key_header: str | None) -> int:
        """Count the rows that equal an earlier row in every column, except in the key."""
        sums = join_hashes(self._row_hashes)
        if key_header is not None:
            number = list(self.columns).index(key_header)
            sums = sums - join_hashes(self.columns[key_header].cell_hashes) * _multiplier(number)
        return len(sums) - len(np.unique(sums))

    def make_profile(
        self, file: str, names: Mapping[str, str], reasons: Mapping[str, str]
    ) -> FileProfile:
        """Say what the file holds, after the last batch.

        Args:
            file: the name of the file.
            names: header -> name in the catalog.
            reasons: option of the format -> what decided it.
        """
        return FileProfile(
            file=file,
            rows=self.rows,
            columns=tuple(make_profile(tally, names[tally.header]) for tally in self.columns.values()),
            file_format=self.file_format,
            reasons=dict(reasons),
        )


def _key_text(tally: ColumnTally) -> pl.Expr:
    """Return a cell as it names a key: 1.0 is 1."""
    cell = pl.col(tally.header)
    if tally.family == "number":
        return cell.str.strip_chars(BLANKS).str.replace(WHOLE_FRACTION, "")
    return cell


def join_hashes(hashes: Sequence[Hashes]) -> Hashes:
    """Return the hashes of all batches, one after the other."""
    return np.concatenate([np.empty(0, dtype=np.uint64), *hashes])


def _multiplier(number: int) -> np.uint64:
    """Return the number by which the hashes of a column are multiplied in the sum of a row."""
    return np.uint64((MULTIPLIER * (2 * number + 1)) % 2**64)
