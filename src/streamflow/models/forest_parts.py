"""Divide a forest into parts: each is for the rows on one side of each of a few cuts.

All rows of a part agree on these cuts. So a part has only the nodes that such rows can come to, and
none of the nodes that all of them leave on the same side. Its answers are those of the forest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamflow.models.portable.forest import Forest

Singles = NDArray[np.float32]
NodeNumbers = NDArray[np.intp]

#: 4 cuts make 16 parts. With more, a part gets too few of the 20,000 rows of a call.
CUTS = 4
#: Only this many trees are examined to choose the cuts.
TREES_LOOKED_AT = 6


class Cut(NamedTuple):
    """A value of a column. It divides the rows into those above it and the others."""

    column: int
    value: np.float32


class Trees(NamedTuple):
    """The trees of a part. Their nodes are numbered as in the whole forest.

    Attributes:
        roots: the root of each tree.
        children: the left and the right child of each node, (nodes, 2).
        feature: the column that each node compares.
        threshold: the largest value that goes left, for each node.
    """

    roots: NodeNumbers
    children: NodeNumbers
    feature: NDArray[np.uint16]
    threshold: Singles

    def list_levels(self) -> Iterator[NodeNumbers]:
        """Yield the inner nodes of each level of all trees, beginning with the roots."""
        level = self.roots[self.roots > 1]
        while len(level):
            yield level
            next_level = self.children[level].ravel()
            level = next_level[next_level > 1]

    def count_nodes(self) -> int:
        """Count the inner nodes of all trees."""
        return sum(map(len, self.list_levels()))

    def limit_to(self, cut: Cut, *, is_above: bool) -> Trees:
        """Return the trees for the rows on one side of a cut."""
        compare = np.less_equal if is_above else np.greater_equal
        is_decided = compare(self.threshold, cut.value)
        is_decided &= self.feature == cut.column
        is_decided[:2] = False  # the leaves
        # The node that the rows come to instead of each node.
        successor = np.arange(len(self.children))
        successor[is_decided] = self.children[is_decided, int(is_above)]
        while is_decided[successor].any():
            successor = successor[successor]
        return self._replace(roots=successor[self.roots], children=successor[self.children])


def whole_forest(forest: Forest) -> Trees:
    """Return all trees of a forest whose leaves are its nodes 0 and 1."""
    return Trees(
        roots=forest.roots,
        children=forest.children.reshape(-1, 2),
        feature=forest.feature,
        threshold=forest.threshold,
    )


def choose_cuts(trees: Trees) -> list[Cut]:
    """Choose the cuts that leave the fewest nodes in the parts, one after another."""
    few_trees = _copy_first_trees(trees)
    candidates = _list_candidates(few_trees)
    divided = [few_trees]
    chosen: list[Cut] = []
    while candidates and len(chosen) < CUTS:
        best = min(candidates, key=lambda cut: _estimate_work(_divide(divided, cut)))
        chosen.append(best)
        candidates.remove(best)
        divided = _divide(divided, best)
    return chosen


def number_parts(rows: Singles, cuts: Sequence[Cut]) -> NDArray[np.intp]:
    """Return for each row the number of its part: a bit for each cut, whether it is above it."""
    numbers = np.zeros(len(rows), dtype=np.intp)
    for bit, cut in enumerate(cuts):
        is_above = rows[:, cut.column] > cut.value
        numbers |= is_above.astype(np.intp) << bit
    return numbers


def make_part(trees: Trees, cuts: Sequence[Cut], number: int) -> Trees:
    """Return the trees of the part with a number: see `number_parts`."""
    for bit, cut in enumerate(cuts):
        trees = trees.limit_to(cut, is_above=bool(number >> bit & 1))
    return trees


def _copy_first_trees(trees: Trees) -> Trees:
    """Return the first trees, with numbers of their own for the nodes."""
    first = trees._replace(roots=trees.roots[:TREES_LOOKED_AT])
    nodes = np.concatenate([np.arange(2), *first.list_levels()])
    number = np.zeros(len(trees.children), dtype=np.intp)
    number[nodes] = np.arange(len(nodes))
    return Trees(
        roots=number[first.roots],
        children=number[trees.children[nodes]],
        feature=trees.feature[nodes],
        threshold=trees.threshold[nodes],
    )


def _list_candidates(trees: Trees) -> list[Cut]:
    """Return the middle threshold of each column that the trees compare."""
    feature = trees.feature[2:]
    candidates = []
    for column in np.unique(feature).tolist():
        thresholds = np.sort(trees.threshold[2:][feature == column])
        candidates.append(Cut(column, thresholds[len(thresholds) // 2]))
    return candidates


def _divide(divided: Sequence[Trees], cut: Cut) -> list[Trees]:
    """Divide each part of some trees into the rows below a cut, and those above it."""
    halves = []
    for trees in divided:
        halves.append(trees.limit_to(cut, is_above=False))
        halves.append(trees.limit_to(cut, is_above=True))
    return halves


def _estimate_work(divided: Sequence[Trees]) -> int:
    """Estimate the work for all rows.

    Each row of a part takes the time of its nodes. A part with more nodes has more rows, because it
    has learned from more rows.
    """
    node_counts = [trees.count_nodes() for trees in divided]
    return sum(count * count for count in node_counts)
