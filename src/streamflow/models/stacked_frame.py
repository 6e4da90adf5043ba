"""Rows of several frames, which are read one after another: they need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class FrameBlock:
    """Some rows of a frame.

    Attributes:
        read_frame: returns the frame; it is called each time the rows are used.
        is_selected: (m,) which of its rows.
    """

    read_frame: Callable[[], pl.DataFrame]
    is_selected: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of selected rows."""
        return int(self.is_selected.sum())

    def read_rows(self) -> pl.DataFrame:
        """Read the selected rows."""
        return self.read_frame().filter(pl.Series(self.is_selected))

    def read_column(self, name: str) -> pl.Series:
        """Read one column of the selected rows."""
        return self.read_frame()[name].filter(pl.Series(self.is_selected))

    def filter(self, rows: NDArray[np.bool_]) -> FrameBlock:
        """Select some of the rows; `rows` has an entry for each selected row."""
        is_selected = self.is_selected.copy()
        is_selected[self.is_selected] = rows
        return replace(self, is_selected=is_selected)


@dataclass(frozen=True, kw_only=True)
class StackedFrame:
    """The rows of all blocks, in the order of the blocks. All blocks have the same columns.

    >>> frame = StackedFrame.from_frame(pl.DataFrame({"fee": [1.0, 2.0, 3.0]}))
    >>> some = frame.filter(np.array([True, False, True]))
    >>> len(some), [rows["fee"].to_list() for rows in some.read_blocks()]
    (2, [[1.0, 3.0]])
    """

    blocks: tuple[FrameBlock, ...]

    @classmethod
    def from_frame(cls, frame: pl.DataFrame) -> StackedFrame:
        """Return the rows of one frame that is in memory."""
        is_selected = np.ones(len(frame), dtype=bool)
        return cls(blocks=(FrameBlock(read_frame=lambda: frame, is_selected=is_selected),))

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.blocks))

    def read_blocks(self) -> Iterator[pl.DataFrame]:
        """Read one block after another. Blocks without rows are left out."""
        for block in self.blocks:
            if len(block):
                yield block.read_rows()

    def read_columns(self) -> Iterator[pl.Series]:
        """Read one column of all rows after another."""
        for name in self.blocks[0].read_frame().columns:
            yield pl.concat([block.read_column(name) for block in self.blocks])

    def filter(self, rows: NDArray[np.bool_]) -> StackedFrame:
        """Select some of the rows, (n,)."""
        ends = np.cumsum([len(block) for block in self.blocks])
        blocks = []
        for block, block_rows in zip(self.blocks, np.split(rows, ends[:-1]), strict=True):
            blocks.append(block.filter(block_rows))
        return StackedFrame(blocks=tuple(blocks))
