"""Masks of leaves: for each block of values, one bit for each leaf that such a value comes to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.models.leaf_boxes import ColumnBoxes

Masks = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class MaskTable:
    """The masks of the blocks of one column, or of all combinations of columns with few cuts.

    Attributes:
        columns: each column with its cuts. The number of a block has a digit for each column, and
            the digit is the rank of its value.
        masks: the mask of each block, (blocks, words).
        boxes: for a column with many cuts, whose blocks have several ranks each: its boxes.
        last_ranks: for such a column, the last rank of each block.
    """

    columns: list[tuple[int, list[float]]]
    masks: Masks
    boxes: ColumnBoxes | None = None
    last_ranks: list[int]

    @property
    def word_count(self) -> int:
        """Return the number of words of a mask."""
        return int(self.masks.shape[1])


def build_tables(boxes: list[ColumnBoxes], max_blocks: int) -> list[MaskTable]:
    """Make the masks of all columns, with at most about `max_blocks` blocks for each table."""
    tables = []
    group: list[ColumnBoxes] = []
    for column in sorted(boxes, key=lambda column: len(column.cuts)):
        if len(column.cuts) >= max_blocks:
            tables.append(_divide(column, max_blocks))
        elif _count_combinations([*group, column]) <= max_blocks:
            group.append(column)
        else:
            tables.append(_combine(group))
            group = [column]
    return [*tables, _combine(group)] if group else tables


def _count_combinations(columns: list[ColumnBoxes]) -> int:
    combinations = 1
    for column in columns:
        combinations *= len(column.cuts) + 1
    return combinations


def _combine(columns: list[ColumnBoxes]) -> MaskTable:
    """Make a mask for each combination of the ranks of some columns."""
    masks = np.full((1, 1), ~np.uint64(0))
    for column in columns:
        last_ranks = list(range(len(column.cuts) + 1))
        own_masks = _make_masks(column, last_ranks)
        pairs = masks[:, np.newaxis] & own_masks[np.newaxis]
        masks = pairs.reshape(-1, own_masks.shape[1])
    names_and_cuts = [(column.column, column.cuts.tolist()) for column in columns]
    return MaskTable(columns=names_and_cuts, masks=masks, last_ranks=[])


def _divide(column: ColumnBoxes, blocks: int) -> MaskTable:
    """Make a mask for each block of a column. The ends of its boxes are shared out evenly."""
    ends = np.sort(np.concatenate([column.lowest, column.highest]))
    is_end = (ends > 0) & (ends < len(column.cuts))
    inner_ends = ends[is_end]
    chosen = inner_ends[np.linspace(0, len(inner_ends) - 1, blocks - 1).astype(np.intp)]
    last_ranks = [*np.unique(chosen).tolist(), len(column.cuts)]
    return MaskTable(
        columns=[(column.column, column.cuts.tolist())],
        masks=_make_masks(column, last_ranks),
        boxes=column,
        last_ranks=last_ranks,
    )


def _make_masks(column: ColumnBoxes, last_ranks: list[int]) -> Masks:
    """Return the mask of each block, (blocks, words); a block begins after the one before it."""
    leaves = len(column.lowest)
    word_count = -(-leaves // 64)
    masks = np.zeros((len(last_ranks), word_count * 8), dtype=np.uint8)
    first_rank = 0
    for mask, last_rank in zip(masks, last_ranks, strict=True):
        may_come = (column.lowest <= last_rank) & (column.highest >= first_rank)
        packed = np.packbits(may_come, bitorder="little")
        mask[: len(packed)] = packed
        first_rank = last_rank + 1
    return masks.view("<u8")
