"""Add up what all columns of a file hold, in one pass over its batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from streamflow.catalog import FileFormat
from streamflow.core.onboarding.column_batch import Hashes
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.column_tally import ColumnTally
from streamflow.core.onboarding.file_batch import ExpectedColumns, FileBatch, column_multiplier
from streamflow.core.onboarding.tally_profile import make_profile


class FileTally:
    """The counts of all columns of a file over the batches so far."""

    def __init__(self, file: str, headers: Sequence[str], file_format: FileFormat) -> None:
        self.file = file
        self.file_format = file_format
        self.rows = 0
        self.columns = {header: ColumnTally(header=header) for header in headers}
        self._row_hashes: list[Hashes] = []
        self._repeating: Sequence[str] | None = None

    def expect(self) -> ExpectedColumns:
        """Return what is known of the columns now, by which the next batches are counted."""
        columns = {header: tally.expect() for header, tally in self.columns.items()}
        return ExpectedColumns(columns=columns, repeating=self._repeating)

    def must_recount(self, batch: FileBatch) -> bool:
        """Tell whether an earlier batch, counted at the same time, changes how this one counts.

        It does when it has the first value of a column, and this value is of a different kind.
        """
        return any(
            tally.family not in (None, batch.columns[header].family)
            for header, tally in self.columns.items()
        )

    def add(self, batch: FileBatch) -> None:
        """Add the counts of a batch. The first batch must be added before others are counted."""
        self.rows += batch.rows
        for header, tally in self.columns.items():
            tally.add(batch.rows, batch.columns[header])
        self._row_hashes.append(batch.row_hashes)
        self._repeating = batch.repeating

    def key_hashes(self, header: str) -> Hashes:
        """Return the hashes of a column whose cells are all different; shape (n,)."""
        hashes = self.columns[header].hashes
        assert hashes is not None
        return join_hashes(hashes)

    def count_repeated(self, key_header: str) -> int:
        """Count the rows that equal an earlier row in every column, except in the key."""
        number = list(self.columns).index(key_header)
        cell_hashes = join_hashes(self.columns[key_header].cell_hashes)
        sums = join_hashes(self._row_hashes) - cell_hashes * column_multiplier(number)
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


def join_hashes(hashes: Sequence[Hashes]) -> Hashes:
    """Return the hashes of all batches, one after the other."""
    return np.concatenate([np.empty(0, dtype=np.uint64), *hashes])
