"""Rows of several frames, which are read one after another: they need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class FramePart:
    """Some rows of a frame.

    Attributes:
        read: returns the frame; it is called each time the rows are used.
        is_selected: (m,) which of its rows.
    """

    read: Callable[[], pl.DataFrame]
    is_selected: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of selected rows."""
        return int(self.is_selected.sum())

    def read_rows(self) -> pl.DataFrame:
        """Read the selected rows."""
        return self.read().filter(pl.Series(self.is_selected))

    def filter(self, rows: NDArray[np.bool_]) -> FramePart:
        """Select some of the rows; `rows` has an entry for each selected row."""
        is_selected = self.is_selected.copy()
        is_selected[self.is_selected] = rows
        return replace(self, is_selected=is_selected)


@dataclass(frozen=True, kw_only=True)
class PartedFrame:
    """The rows of all parts, in the order of the parts. All parts have the same columns.

    >>> frame = PartedFrame.of(pl.DataFrame({"fee": [1.0, 2.0, 3.0]}))
    >>> some = frame.filter(np.array([True, False, True]))
    >>> len(some), [rows["fee"].to_list() for rows in some.read_parts()]
    (2, [[1.0, 3.0]])
    """

    parts: tuple[FramePart, ...]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> PartedFrame:
        """Return the rows of one frame that is in memory."""
        is_selected = np.ones(len(frame), dtype=bool)
        return cls(parts=(FramePart(read=lambda: frame, is_selected=is_selected),))

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.parts))

    def read_parts(self) -> Iterator[pl.DataFrame]:
        """Read one part after another. Parts without rows are left out."""
        for part in self.parts:
            if len(part):
                yield part.read_rows()

    def read_columns(self) -> Iterator[pl.Series]:
        """Read one column of all rows after another. There is at least one row."""
        for name in next(self.read_parts()).columns:
            yield pl.concat([
                part.read()[name].filter(pl.Series(part.is_selected)) for part in self.parts
            ])  # fmt: skip

    def filter(self, rows: NDArray[np.bool_]) -> PartedFrame:
        """Select some of the rows, (n,)."""
        ends = np.cumsum([len(part) for part in self.parts])
        parts = []
        for part, part_rows in zip(self.parts, np.split(rows, ends[:-1]), strict=True):
            parts.append(part.filter(part_rows))
        return PartedFrame(parts=tuple(parts))
