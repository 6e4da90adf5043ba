"""Evaluate a random forest of pure leaves for few rows, in a process that answers many requests.

The answer is the share of the trees that vote for class 1, and a tree votes for it if the row comes
to one of its leaves of class 1. Such a leaf is a box: for each column a lowest and a highest value.

A walk through all trees waits for memory at nearly every node. Here the values of each column are
divided into blocks, and each block has a mask: one bit for each leaf that a value of the block may
come to. A row takes the mask of its block in each column. The bits that all its masks have in
common are nearly always the leaves that the row comes to. These few leaves are compared with the
row exactly. So the answers have the bits of the walk (`portable/forest.py`), and of scikit-learn.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from streamflow.models.batch_forest import BatchForest
from streamflow.models.leaf_boxes import MAX_CUTS, ColumnBoxes, find_leaf_boxes
from streamflow.models.leaf_masks import MaskTable, build_tables
from streamflow.models.model_kind import Floats

Singles = NDArray[np.float32]
Ranks = NDArray[np.uint16]

#: Calls with more rows are not faster this way than by a walk.
MAX_ROWS = 32
#: Rows that are computed at once: their masks fit into the cache.
ROWS_PER_PASS = 16
#: The masks of a forest may take so much memory. A larger forest is walked.
MAX_MASK_BYTES = 64_000_000
#: In how many blocks a column is divided. The fewer, the more leaves are compared exactly.
BLOCK_COUNTS = (128, 64, 32)
#: Eight times true, as one word.
ALL_TRUE = np.uint64(0x0101_0101_0101_0101)


class RequestForest:
    """A forest that is fast for few rows. Rows with a null and large calls go to the forest."""

    def __init__(self, forest: BatchForest, boxes: list[ColumnBoxes], leaf_class: int) -> None:
        self._forest = forest
        self._leaf_class = leaf_class
        roots = forest.walk.roots
        self._tree_count = len(roots)
        # A tree of one leaf has no box: it votes for every row.
        self._constant_votes = int(np.count_nonzero(roots == leaf_class))
        self._tables = _choose_tables(boxes)
        checked = [table.boxes for table in self._tables if table.boxes is not None]
        self._requirements = _list_requirements(checked)

    @property
    def is_small_enough(self) -> bool:
        """Whether the masks fit into the memory that they may take."""
        return bool(self._tables)

    def __call__(self, matrix: Floats) -> Floats:
        """Return the probability of class 1 for each row; matrix (n, width) -> (n,)."""
        if len(matrix) > MAX_ROWS or np.isnan(matrix).any():
            return self._forest(matrix)
        rows = matrix.astype(np.float32)  # as scikit-learn does itself
        batches = [rows[i : i + ROWS_PER_PASS] for i in range(0, len(rows), ROWS_PER_PASS)]
        return np.concatenate([self._predict(batch) for batch in batches])

    def _predict(self, rows: Singles) -> Floats:
        """Return the share of the trees that vote for class 1, for at most ROWS_PER_PASS rows."""
        masks = np.empty((len(rows), self._tables[0].word_count), dtype=np.uint64)
        ranks = [
            self._common_mask(values, mask)
            for values, mask in zip(rows.tolist(), masks, strict=True)
        ]
        row, leaf = _list_bits(masks)
        if ranks[0]:
            is_reached = self._meets_requirements(ranks, row, leaf)
            row = row[is_reached]
        votes = self._constant_votes + np.bincount(row, minlength=len(rows))
        if self._leaf_class == 0:
            votes = self._tree_count - votes
        return votes / self._tree_count

    def _common_mask(self, values: list[float], mask: NDArray[np.uint64]) -> list[int]:
        """Write the common bits of the masks of one row, and return its ranks to be compared."""
        mask.fill(~np.uint64(0))
        ranks = []
        for table in self._tables:
            block = 0
            for column, cuts in table.columns:
                rank = bisect_left(cuts, values[column])
                block = block * (len(cuts) + 1) + rank
            if table.boxes is not None:
                ranks.append(block)
                block = bisect_left(table.last_ranks, block)
            np.bitwise_and(mask, table.masks[block], out=mask)
        return ranks

    def _meets_requirements(
        self,
        ranks: list[list[int]],
        row: NDArray[np.intp],
        leaf: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Return for each pair of a row and a leaf whether the row comes to this leaf."""
        rank = np.array(ranks, dtype=np.uint16)
        filling = self._requirements.shape[1] - 2 * rank.shape[1]
        filled_ranks = np.full((len(rank), filling), MAX_CUTS, dtype=np.uint16)
        offered = np.concatenate([rank, MAX_CUTS - rank, filled_ranks], axis=1)
        is_enough = offered.take(row, axis=0) >= self._requirements.take(leaf, axis=0)
        # Eight comparisons are one word, which is faster than to look at each of them.
        is_word_true = is_enough.view(np.uint64) == ALL_TRUE
        is_reached: NDArray[np.bool_] = is_word_true[:, 0]
        for is_true in is_word_true.T[1:]:
            is_reached = is_reached & is_true
        return is_reached


def prepare_for_requests(forest: BatchForest) -> BatchForest | RequestForest:
    """Return a forest that is faster for few rows, or the same one if there is no such way.

    The preparation takes about a second, and up to MAX_MASK_BYTES of memory.
    """
    if not forest.is_pure or not len(forest.walk.children[4:]):
        return forest
    # The class with fewer leaves has smaller masks.
    leaf_class = int(np.argmin(np.bincount(forest.walk.children[4:], minlength=2)[:2]))
    boxes = list(find_leaf_boxes(forest.walk, leaf_class))
    if not len(boxes[0].lowest) or max(len(column.cuts) for column in boxes) > MAX_CUTS:
        return forest
    faster = RequestForest(forest, boxes, leaf_class)
    return faster if faster.is_small_enough else forest


def _choose_tables(boxes: list[ColumnBoxes]) -> list[MaskTable]:
    """Return the masks with the most blocks that fit into memory; empty if none do."""
    mask_bytes = -(-len(boxes[0].lowest) // 64) * 8
    for blocks in BLOCK_COUNTS:
        if blocks * len(boxes) * mask_bytes <= MAX_MASK_BYTES:
            return build_tables(boxes, blocks)
    return []


def _list_requirements(boxes: list[ColumnBoxes]) -> Ranks:
    """Return what a row must have at least to come to each leaf, (leaves, a multiple of 8).

    The highest rank is turned round, so that it is a lower limit too.
    """
    lowest = [column.lowest for column in boxes]
    highest = [MAX_CUTS - column.highest for column in boxes]
    filling = [np.zeros_like(boxes[0].lowest) for _ in range(-2 * len(boxes) % 8)] if boxes else []
    columns = lowest + highest + filling
    return np.stack(columns, axis=1) if columns else np.empty((0, 0), dtype=np.uint16)


def _list_bits(masks: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the row and the bit of each bit that is set, for masks (rows, words)."""
    mask_words = masks.ravel()
    filled_words = np.flatnonzero(mask_words)
    bit_bytes = mask_words.take(filled_words).view(np.uint8)
    position = np.flatnonzero(np.unpackbits(bit_bytes, bitorder="little").view(np.bool_))
    word = filled_words.take(position >> 6)
    row = word // masks.shape[1]
    bit = (word - row * masks.shape[1]) * 64 + (position & 63)
    return row, bit
