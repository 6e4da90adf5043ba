"""Shapley values of the columns for trees, for many rows at once: see `tree_shap` for their terms.

What a leaf adds to the columns of a row depends only on which columns of its path the row fits: on
its pattern, one bit for each column. A path with d columns has 2^d patterns. Their terms are
computed once for all rows, as a table, and each row looks up its own. So a row costs one pattern
and one look-up for each leaf, instead of products at every node and every point of the quadrature.

The leaves of the most frequent value are left out. A constant adds nothing to any column, so only
the difference from this value counts. In a forest of pure leaves, about half of the leaves have it.

The tables are float32, and are added up for each tree: the sums are exact to about 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamflow.models.model_kind import Floats, Tree
from streamflow.models.pattern_tables import Singles, TableBuilder
from streamflow.models.tree_paths import SMALLEST_SHARE

Patterns = NDArray[np.uint16]

#: From this number of rows on, the tables cost less than they save.
MIN_ROWS = 1_000
#: Numbers of the matrix that are computed at once.
NUMBERS_PER_PASS = 500_000
#: Rows that are looked up at once: what they find fits into the cache.
ROWS_PER_LOOK_UP = 2_000
#: Trees whose sums are added up before those of the next ones, whatever the number of threads.
TREES_PER_TASK = 10


class PatternShap:
    """Computes what some trees add to the columns of many rows.

    Args:
        trees: the trees.
        most_columns: the largest number of columns of a path: see `max_path_columns`.
    """

    def __init__(self, trees: Sequence[Tree], most_columns: int) -> None:
        self._trees = trees
        self._most_columns = most_columns
        leaves = [tree.value[tree.left_child < 0] for tree in trees]
        values, counts = np.unique(np.concatenate(leaves), return_counts=True)
        self._left_out = float(values[np.argmax(counts)])

    def add(
        self,
        matrix: Floats,
        columns: Floats,
        margin: Floats,
        run: Callable[..., Iterable[tuple[Floats, Floats]]],
    ) -> None:
        """Add what the trees add to each row of `columns` and of `margin`.

        Args:
            matrix: (n, width)
            columns: (n, width), changed in place.
            margin: (n,), changed in place.
            run: `map`, or that of a pool of threads.
        """
        tasks = [
            self._trees[i : i + TREES_PER_TASK] for i in range(0, len(self._trees), TREES_PER_TASK)
        ]
        rows_per_pass = max(MIN_ROWS, NUMBERS_PER_PASS // matrix.shape[1])
        for begin in range(0, len(matrix), rows_per_pass):
            rows = slice(begin, begin + rows_per_pass)
            values = np.ascontiguousarray(matrix[rows].T)
            for task_columns, task_margin in run(partial(self._compute, values), tasks):
                columns[rows] += task_columns
                margin[rows] += task_margin

    def _compute(self, values: Floats, trees: Sequence[Tree]) -> tuple[Floats, Floats]:
        """Return the terms and the sum of some trees for each row; values (width, n)."""
        columns = np.zeros(values.shape[::-1])
        margin = np.zeros(values.shape[1])
        tables = TableBuilder(self._most_columns, len(values))
        for tree in trees:
            columns += _TreePass(tree, values, tables, self._left_out).run()
            margin += tree.value[_find_leaves(tree, values)]
        return columns, margin


class _Branch(NamedTuple):
    """A node with its path.

    Attributes:
        node: the number of the node.
        columns: the columns of the path, in the order in which they first occur.
        shares: for each of them the share of training rows that went this way.
        pattern: for each row one bit for each of them: whether its value fits, (n,).
    """

    node: int
    columns: tuple[int, ...]
    shares: tuple[float, ...]
    pattern: Patterns


class _TreePass:
    """One pass of all rows through all paths of one tree."""

    def __init__(
        self,
        tree: Tree,
        values: Floats,
        tables: TableBuilder,
        left_out: float,
    ) -> None:
        self._values = values
        self._tables = tables
        self._left_out = left_out
        # Python reads one element of a list faster than one of an array.
        self._left_child: list[int] = tree.left_child.tolist()
        self._right_child: list[int] = tree.right_child.tolist()
        self._column: list[int] = tree.column.tolist()
        self._threshold: list[float] = tree.threshold.tolist()
        self._null_left: list[bool] = tree.null_left.tolist()
        self._rows: list[int] = tree.rows.tolist()
        self._value: list[float] = tree.value.tolist()
        self._is_needed = self._find_needed()

    def _find_needed(self) -> list[bool]:
        """Return for each node whether a leaf below it, or it itself, is not left out."""
        is_needed = [value != self._left_out for value in self._value]
        # The children of a node come after it.
        for node in reversed(range(len(is_needed))):
            left_child = self._left_child[node]
            if left_child >= 0:
                is_needed[node] = is_needed[left_child] or is_needed[self._right_child[node]]
        return is_needed

    def run(self) -> Singles:
        """Return what the tree adds to each column of each row, (n, width)."""
        width, rows = self._values.shape
        terms = np.zeros((rows, width), dtype=np.float32)
        looked_up = np.empty((ROWS_PER_LOOK_UP, width), dtype=np.float32)
        waiting = [_Branch(0, (), (), np.zeros(rows, dtype=np.uint16))]
        while waiting:
            branch = waiting.pop()
            if self._left_child[branch.node] >= 0:
                waiting += self._list_children(branch)
            elif branch.columns:
                value = self._value[branch.node] - self._left_out
                table = self._tables.build(branch.columns, branch.shares, value)
                _add_looked_up(terms, table, branch.pattern, looked_up)
        return terms

    def _list_children(self, branch: _Branch) -> Iterator[_Branch]:
        """Yield the children of a branch that are needed."""
        node = branch.node
        column = self._column[node]
        values = self._values[column]
        goes_left = values <= self._threshold[node]
        if self._null_left[node]:
            goes_left |= np.isnan(values)
        left_child = self._left_child[node]
        if self._is_needed[left_child]:
            yield self._extend(branch, left_child, column, goes_left)
        right_child = self._right_child[node]
        if self._is_needed[right_child]:
            yield self._extend(branch, right_child, column, ~goes_left)

    def _extend(
        self,
        branch: _Branch,
        child: int,
        column: int,
        fits: NDArray[np.bool_],
    ) -> _Branch:
        """Return the branch of a child, whose column the rows fit or not."""
        ratio = max(self._rows[child] / self._rows[branch.node], SMALLEST_SHARE)
        columns = branch.columns
        shares = branch.shares
        if column not in columns:
            pattern = fits * np.uint16(1 << len(columns)) | branch.pattern
            return _Branch(child, (*columns, column), (*shares, ratio), pattern)
        # A row fits a column if it fits all that the path requires of it.
        position = columns.index(column)
        bit = 1 << position
        other_bits = np.uint16(0xFFFF ^ bit)
        pattern = branch.pattern & (fits * np.uint16(bit) | other_bits)
        share = shares[position] * ratio
        new_shares = (*shares[:position], share, *shares[position + 1 :])
        return _Branch(child, columns, new_shares, pattern)


def _add_looked_up(
    terms: Singles,
    table: Singles,
    pattern: Patterns,
    looked_up: Singles,
) -> None:
    """Add to the terms of each row those of its pattern. `looked_up` is memory to work in."""
    for begin in range(0, len(pattern), len(looked_up)):
        row_patterns = pattern[begin : begin + len(looked_up)]
        row_terms = looked_up[: len(row_patterns)]
        table.take(row_patterns, axis=0, out=row_terms, mode="clip")
        terms[begin : begin + len(row_patterns)] += row_terms


def _find_leaves(tree: Tree, values: Floats) -> NDArray[np.intp]:
    """Return the leaf that each row comes to; values (width, n) -> (n,)."""
    rows = np.arange(values.shape[1])
    node = np.zeros(len(rows), dtype=np.intp)
    while True:
        is_inner = tree.left_child[node] >= 0
        if not is_inner.any():
            return node
        # The column of a leaf may be negative, and is not used.
        value = values[np.where(is_inner, tree.column[node], 0), rows]
        goes_left = value <= tree.threshold[node]
        goes_left |= np.isnan(value) & tree.null_left[node]
        child = np.where(goes_left, tree.left_child[node], tree.right_child[node])
        node = np.where(is_inner, child, node)
