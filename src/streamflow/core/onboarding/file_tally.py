"""Count what all columns of a file hold, in one pass over its batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import FileFormat, kind_of
from streamflow.catalog.file_format import BLANKS
from streamflow.core.onboarding.cell_counts import CountedColumn, count_cells
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.column_tally import HASH_SEED, ColumnTally, Hashes, hash_cells
from streamflow.core.onboarding.tally_profile import make_profile

WHOLE_FRACTION = r"\.0+$"  # 1.0 and 1 are the same key
# Odd numbers, so that no hash loses bits; each column has a different one.
MULTIPLIER = 0x9E3779B97F4A7C15


class FileTally:
    """The counts of all columns of a file over the batches so far."""

    def __init__(self, file: str, headers: Sequence[str], file_format: FileFormat) -> None:
        self.file = file
        self.file_format = file_format
        self.rows = 0
        self.columns = {header: ColumnTally(header=header) for header in headers}
        self._row_hashes: list[Hashes] = []
        # The columns that are no key, because the first batch has a cell of theirs twice.
        self._repeating: list[str] | None = None

    def add(self, rows: NDArray[np.int64], cells: pl.DataFrame) -> None:
        """Count the cells of a batch.

        Args:
            rows: (n,) the numbers of the rows in the file, from 0.
            cells: (n, ·) text, in columns named by the headers; a null where a cell is empty.
        """
        if cells.is_empty():
            return
        kind = kind_of(self.file)
        for header, tally in self.columns.items():
            tally.choose_family(cells[header], self.file_format, kind)
        self.rows += len(cells)
        columns = {
            header: CountedColumn(
                family=tally.family,
                may_be_int=tally.ints == tally.fitting,
                has_values=tally.values is not None,
            )
            for header, tally in self.columns.items()
        }
        counts, fitting = count_cells(cells, columns, self.file_format, kind)
        for header, tally in self.columns.items():
            tally.rows += len(cells)
            tally.add_counts(counts[header])
            tally.add_values(cells[header])
            # The cells that do not fit are looked at only where there are some.
            if tally.fitting + tally.empty + tally.odd_cells < tally.rows:
                self._count_odd_cells(tally, rows, cells, fitting)
        self._hash(rows, cells)

    @staticmethod
    def _count_odd_cells(
        tally: ColumnTally,
        rows: NDArray[np.int64],
        cells: pl.DataFrame,
        fitting: pl.DataFrame,
    ) -> None:
        """Count the cells that are not of their column's kind. Text has no such cells."""
        if tally.header in fitting:
            is_odd = ~fitting[tally.header].fill_null(value=False)
        elif tally.family is None:
            # Blanks and words for a missing value come before the first value.
            is_odd = pl.repeat(value=True, n=len(cells), eager=True)
        else:
            return
        tally.add_odd_cells(cells[tally.header], rows, is_odd=is_odd)

    def _hash(self, rows: NDArray[np.int64], cells: pl.DataFrame) -> None:
        """Hash each row, in a way that the hash of a key can be taken off again.

        Most columns repeat a cell already in the first batch, so they are no key. These columns
        are hashed together, which takes less time. The hash of each of the others is added.
        """
        cell_hashes = {header: hash_cells(cells[header]) for header in self._list_possible_keys()}
        for header, hashes in cell_hashes.items():
            tally = self.columns[header]
            if tally.hashes is not None:
                keys = cells.select(_key_text(tally)).to_series()
                tally.add_hashes(cells[header], rows, hashes, keys)
        if self._repeating is None:
            self._repeating = [name for name, tally in self.columns.items() if not tally.hashes]
        row_hashes = np.zeros(len(cells), dtype=np.uint64)
        if self._repeating:
            row_hashes = cells.select(self._repeating).hash_rows(HASH_SEED).to_numpy().copy()
        for number, header in enumerate(self.columns):
            if header not in self._repeating:
                row_hashes += cell_hashes[header] * _multiplier(number)
        self._row_hashes.append(row_hashes)

    def _list_possible_keys(self) -> list[str]:
        """List the columns that repeated no cell in the first batch; before it, all columns."""
        return [header for header in self.columns if header not in (self._repeating or ())]

    def key_hashes(self, header: str) -> Hashes:
        """Return the hashes of a column whose cells are all different; shape (n,)."""
        hashes = self.columns[header].hashes
        assert hashes is not None
        return join_hashes(hashes)

    def count_repeated(self, key_header: str) -> int:
        """Count the rows that equal an earlier row in every column, except in the key."""
        number = list(self.columns).index(key_header)
        cell_hashes = join_hashes(self.columns[key_header].cell_hashes)
        sums = join_hashes(self._row_hashes) - cell_hashes * _multiplier(number)
        return len(sums) - pl.Series(sums).n_unique()

    def make_profile(
        self,
        names: Mapping[str, str],
        reasons: Mapping[str, str],
        doubts: Sequence[str] = (),
    ) -> FileProfile:
        """Say what the file holds, after the last batch.

        Args:
            names: header -> name in the catalog.
            reasons: option of the format -> what decided it.
            doubts: what nothing in the file decides.
        """
        columns = [make_profile(tally, names[header]) for header, tally in self.columns.items()]
        return FileProfile(
            file=self.file,
            rows=self.rows,
            columns=tuple(columns),
            file_format=self.file_format,
            reasons=dict(reasons),
            doubts=tuple(doubts),
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
