"""Trees as arrays whose nodes are numbered by level, with what the path to each node requires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.models.model_kind import Floats, Tree

Numbers = NDArray[np.intp]
#: Replaces a share of zero rows, by which nothing could be divided.
SMALLEST_SHARE = 1e-100


@dataclass(frozen=True, kw_only=True)
class TreePaths:
    """The nodes of some trees, numbered by level: first all roots, then pairs of children.

    All arrays have the shape (nodes,) unless it is given. The column of a node is the one that its
    parent compares. A root has column 0, and requires nothing.

    Attributes:
        levels: for each level below the roots: its first node, its end, and the parents of its
            pairs of nodes.
        column: the column of each node.
        same_above: the nearest node above with the same column; the first root if there is none.
        low: the largest threshold on the path that the value of the column must be above.
        has_low: whether there is such a threshold.
        high: the smallest threshold that the value must not be above.
        null_passes: whether a row without a value of the column comes to this node.
        ratio: the share of the parent's training rows that came to this node.
        share: the product of these over the nodes of the path that have this column.
        value: the value of a leaf, and 0 for an inner node.
        first_child: the left child; the right one follows it. A leaf is its own child.
        roots: the number of trees.
        base: the sum of the leaves, weighted by their training rows.
        most_columns: the largest number of different columns on a path.
    """

    levels: tuple[tuple[int, int, Numbers], ...]
    column: Numbers
    same_above: Numbers
    low: Floats
    has_low: NDArray[np.bool_]
    high: Floats
    null_passes: NDArray[np.bool_]
    ratio: Floats
    share: Floats
    value: Floats
    first_child: Numbers
    roots: int
    base: float
    most_columns: int

    def follow(self, row: Floats) -> NDArray[np.bool_]:
        """Return whether the value of a node's column fulfils what the path requires of it.

        Args:
            row: the values of the columns, (width,).
        """
        values = row[self.column]
        is_known = (values > self.low) | ~self.has_low
        is_known &= values <= self.high
        if np.isnan(row).any():
            is_null = np.isnan(values)
            is_known = np.where(is_null, self.null_passes, is_known)
        return is_known

    def multiply_down(self, numbers: Floats) -> None:
        """Multiply the numbers of each node by those of its parent, from the roots down.

        Args:
            numbers: (nodes, points). They are changed in place.
        """
        for begin, end, parents in self.levels:
            pairs = numbers[begin:end].reshape(len(parents), 2, -1)
            pairs *= numbers[parents][:, np.newaxis, :]

    def add_up(self, numbers: Floats) -> None:
        """Give each inner node the sum of its two children, from the leaves up.

        Args:
            numbers: (nodes, points). They are changed in place.
        """
        for begin, end, parents in reversed(self.levels):
            numbers[parents] = numbers[begin:end:2] + numbers[begin + 1 : end : 2]

    def add_reached(self, is_known: NDArray[np.bool_]) -> float:
        """Return the sum of the leaves that a row comes to: one of each tree, in their order."""
        node = np.arange(self.roots)
        for _ in self.levels:
            child = self.first_child[node]
            goes_right = (child != node) & ~is_known[child]
            node = child + goes_right
        return float(np.add.accumulate(self.value[node])[-1])


def build_paths(trees: Sequence[Tree], width: int) -> TreePaths:
    """Number the nodes of trees by level, and merge what each path requires of a column.

    Args:
        trees: the trees, at least one.
        width: the number of columns of the matrix.
    """
    counts = [len(tree.value) for tree in trees]
    offsets = np.cumsum([0, *counts])[:-1]
    left_child = np.concatenate(
        [tree.left_child + o for tree, o in zip(trees, offsets, strict=True)]
    )
    right_child = np.concatenate(
        [tree.right_child + o for tree, o in zip(trees, offsets, strict=True)]
    )
    is_leaf = np.concatenate([tree.left_child for tree in trees]) < 0
    order, levels = _number_by_level(offsets, left_child, right_child, is_leaf)
    paths = _PathBuilder(trees, order, len(trees), width)
    for begin, end, parents in levels:
        paths.add_level(begin, end, parents)
    return paths.finish(levels, is_leaf[order])


def _number_by_level(
    roots: Numbers,
    left_child: Numbers,
    right_child: Numbers,
    is_leaf: NDArray[np.bool_],
) -> tuple[Numbers, tuple[tuple[int, int, Numbers], ...]]:
    """Return the old number of each new node, and the levels below the roots."""
    level = roots
    order = [level]
    levels: list[tuple[int, int, Numbers]] = []
    begin = 0
    while True:
        inner = np.flatnonzero(~is_leaf[level])
        if not len(inner):
            return np.concatenate(order), tuple(levels)
        parents = begin + inner
        begin += len(level)
        level = np.stack([left_child[level[inner]], right_child[level[inner]]], axis=1).ravel()
        levels.append((begin, begin + len(level), parents))
        order.append(level)


class _PathBuilder:
    """Fills the arrays of TreePaths level by level."""

    def __init__(self, trees: Sequence[Tree], order: Numbers, roots: int, width: int) -> None:
        nodes = len(order)
        self._split_column = np.concatenate([tree.column for tree in trees])[order]
        self._threshold = np.concatenate([tree.threshold for tree in trees])[order]
        self._null_left = np.concatenate([tree.null_left for tree in trees])[order]
        self._rows = np.concatenate([tree.rows for tree in trees])[order].astype(np.float64)
        self._leaf_value = np.concatenate([tree.value for tree in trees])[order]
        self._roots = roots
        self.column = np.zeros(nodes, dtype=np.intp)
        self.same_above = np.zeros(nodes, dtype=np.intp)
        self.low = np.full(nodes, -np.inf)
        self.has_low = np.zeros(nodes, dtype=bool)
        self.high = np.full(nodes, np.inf)
        self.null_passes = np.ones(nodes, dtype=bool)
        self.ratio = np.ones(nodes)
        self.share = np.ones(nodes)
        self.first_child = np.arange(nodes)
        self._most_columns = 0
        # For each node of the newest level: the last node of each column on its path, else 0.
        self._last = np.zeros((roots, width), dtype=np.intp)
        self._level_begin = 0

    def add_level(self, begin: int, end: int, parents: Numbers) -> None:
        """Fill in the nodes from `begin` to `end`, which are pairs of children of `parents`."""
        nodes = np.arange(begin, end)
        parent = np.repeat(parents, 2)
        is_left = np.tile([True, False], len(parents))
        column = self._split_column[parent]
        last = self._last[parent - self._level_begin]
        above = last[np.arange(len(nodes)), column]
        self.first_child[parents] = nodes[::2]
        self.column[nodes] = column
        self.same_above[nodes] = above
        threshold = self._threshold[parent]
        self.low[nodes] = np.where(is_left, self.low[above], np.maximum(self.low[above], threshold))
        self.has_low[nodes] = self.has_low[above] | ~is_left
        high = self.high[above]
        self.high[nodes] = np.where(is_left, np.minimum(high, threshold), high)
        self.null_passes[nodes] = self.null_passes[above] & (self._null_left[parent] == is_left)
        ratio = np.maximum(self._rows[nodes] / self._rows[parent], SMALLEST_SHARE)
        self.ratio[nodes] = ratio
        self.share[nodes] = ratio * self.share[above]
        last[np.arange(len(nodes)), column] = nodes
        self._last = last
        self._level_begin = begin
        self._most_columns = max(self._most_columns, int((last > 0).sum(axis=1).max()))

    def finish(
        self,
        levels: tuple[tuple[int, int, Numbers], ...],
        is_leaf: NDArray[np.bool_],
    ) -> TreePaths:
        """Return the paths."""
        value = np.where(is_leaf, self._leaf_value, 0.0)
        reach = np.ones(len(value))
        for begin, end, parents in levels:
            reach[begin:end] = self.ratio[begin:end] * np.repeat(reach[parents], 2)
        return TreePaths(
            levels=levels,
            column=self.column,
            same_above=self.same_above,
            low=self.low,
            has_low=self.has_low,
            high=self.high,
            null_passes=self.null_passes,
            ratio=self.ratio,
            share=self.share,
            value=value,
            first_child=self.first_child,
            roots=self._roots,
            base=float(np.sum(reach * value)),
            most_columns=self._most_columns,
        )
