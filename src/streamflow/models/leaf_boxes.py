"""The leaves of a forest as boxes: for each column, between which values a row comes to the leaf.

The values of a column are given as ranks. The rank of a value is the number of cuts below it, and
the cuts of a column are the different thresholds with which the forest compares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.models.portable.forest import Forest

Numbers = NDArray[np.intp]
Ranks = NDArray[np.uint16]
#: The most cuts of a column whose ranks fit into 16 bits.
MAX_CUTS = 2**16 - 1


@dataclass(frozen=True, kw_only=True)
class ColumnBoxes:
    """What the leaves require of one column.

    Attributes:
        column: the number of the column.
        cuts: the different thresholds, rising, (cuts,).
        lowest: the lowest rank that comes to each leaf, (leaves,).
        highest: the highest rank that comes to each leaf, (leaves,).
    """

    column: int
    cuts: NDArray[np.float32]
    lowest: Ranks
    highest: Ranks


def find_leaf_boxes(forest: Forest, leaf_class: int) -> Iterator[ColumnBoxes]:
    """Yield what the leaves of one class require of each column that the forest compares.

    All columns have the leaves in the same order.

    Args:
        forest: a forest whose leaves have the values 0 and 1 only: these are its nodes 0 and 1.
        leaf_class: the class of the leaves.
    """
    children = forest.children.reshape(-1, 2)
    levels = _list_levels(forest.roots, children)
    parent, child_side = np.nonzero(children[2:] == leaf_class)
    parent += 2
    is_inner = np.arange(len(children)) >= 2
    for column in np.unique(forest.feature[2:]).tolist():
        nodes = np.flatnonzero(is_inner & (forest.feature == column))
        cuts, cut = np.unique(forest.threshold[nodes], return_inverse=True)
        # The cut of a node that compares this column; -1 for the other nodes.
        node_cut = np.full(len(children), -1)
        node_cut[nodes] = cut
        lowest, highest = _follow_column(levels, children, node_cut, len(cuts))
        leaf_lowest, leaf_highest = _narrow(
            lowest[parent], highest[parent], node_cut[parent], goes_right=child_side == 1
        )
        yield ColumnBoxes(
            column=column,
            cuts=cuts,
            lowest=leaf_lowest.astype(np.uint16),
            highest=leaf_highest.astype(np.uint16),
        )


def _list_levels(roots: Numbers, children: Numbers) -> list[Numbers]:
    """Return the inner nodes of each level of all trees, beginning with the roots."""
    levels = []
    level = roots[roots >= 2]
    while len(level):
        levels.append(level)
        next_level = children[level].ravel()
        level = next_level[next_level >= 2]
    return levels


def _follow_column(
    levels: list[Numbers],
    children: Numbers,
    node_cut: Numbers,
    cut_count: int,
) -> tuple[Numbers, Numbers]:
    """Return the lowest and the highest rank of a column that come to each inner node."""
    lowest = np.zeros(len(children), dtype=np.intp)
    highest = np.full(len(children), cut_count)
    for level in levels:
        for child_side in (0, 1):
            child = children[level, child_side]
            lowest[child], highest[child] = _narrow(
                lowest[level], highest[level], node_cut[level], goes_right=np.bool_(child_side)
            )
    return lowest, highest


def _narrow(
    lowest: Numbers,
    highest: Numbers,
    cut: Numbers,
    *,
    goes_right: NDArray[np.bool_] | np.bool_,
) -> tuple[Numbers, Numbers]:
    """Return the ranks that go on to one side of each node.

    Args:
        lowest: the lowest rank that comes to each node.
        highest: the highest rank that comes to each node.
        cut: the cut of each node; -1 where it does not compare this column.
        goes_right: whether the side is the right one.
    """
    # A value above a cut has a rank above the number of this cut.
    narrowed_lowest = np.where(goes_right, np.maximum(lowest, cut + 1), lowest)
    is_limited = (cut >= 0) & ~goes_right
    narrowed_highest = np.where(is_limited, np.minimum(highest, cut), highest)
    return narrowed_lowest, narrowed_highest
