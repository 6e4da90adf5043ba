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
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamflow.models.model_kind import Floats, Tree
from streamflow.models.tree_paths import SMALLEST_SHARE

Singles = NDArray[np.float32]
Patterns = NDArray[np.uint16]

#: The most columns of a path: a pattern has 16 bits. A tree with a longer path is not for this way.
MAX_COLUMNS = 16
#: The most numbers of a table, for a matrix with many columns.
MAX_TABLE_NUMBERS = 4_000_000
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
        tables = _TableBuilder(self._most_columns, len(values))
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
        tables: _TableBuilder,
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
            left = self._left_child[node]
            if left >= 0:
                is_needed[node] = is_needed[left] or is_needed[self._right_child[node]]
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
                table = self._tables.build(branch, value)
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
        left = self._left_child[node]
        if self._is_needed[left]:
            yield self._extend(branch, left, column, goes_left)
        right = self._right_child[node]
        if self._is_needed[right]:
            yield self._extend(branch, right, column, ~goes_left)

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
        others = np.uint16(0xFFFF ^ bit)
        pattern = branch.pattern & (fits * np.uint16(bit) | others)
        share = shares[position] * ratio
        new_shares = (*shares[:position], share, *shares[position + 1 :])
        return _Branch(child, columns, new_shares, pattern)


class _TableBuilder:
    """Builds the tables of leaves, one after the other, in the same memory.

    Args:
        most_columns: the largest number of columns of a path.
        width: the number of columns of the matrix.
    """

    def __init__(self, most_columns: int, width: int) -> None:
        patterns = np.arange(1 << most_columns)
        positions = np.arange(most_columns)[:, np.newaxis]
        # Whether the column at a position fits, for each pattern.
        self._fits = (patterns >> positions & 1).astype(np.bool_)
        self._width = width
        self._table = np.empty(len(patterns) * width, dtype=np.float32)

    def build(self, branch: _Branch, value: float) -> Singles:
        """Return what a leaf adds to each column, for each pattern of its path.

        Returns:
            (patterns, width). It is overwritten by the next table.
        """
        path_columns = len(branch.columns)
        patterns = 1 << path_columns
        share = np.array(branch.shares)[:, np.newaxis]
        points, weights = quadrature(path_columns)
        lost = share * (1 - points)
        known = lost + points
        middle = path_columns // 2
        low = _multiply(lost[:middle], known[:middle], value * weights)
        high = _multiply(lost[middle:], known[middle:], np.ones_like(weights))
        products = (high[:, :, np.newaxis] * low[:, np.newaxis]).reshape(len(points), patterns)
        # The factor of a column is replaced by what the column adds.
        if_lost = _single(-share / lost) @ products
        if_known = _single((1 - share) / known) @ products
        terms = np.where(self._fits[:path_columns, :patterns], if_known, if_lost)
        table = self._table[: patterns * self._width].reshape(patterns, self._width)
        table.fill(0)
        table[:, branch.columns] = terms.T
        return table


def _multiply(lost: Floats, known: Floats, first: Floats) -> Singles:
    """Return the product of the factors of some columns for each pattern, (points, patterns).

    Args:
        lost: the factor of each column that does not fit, (columns, points).
        known: the factor of each column that fits, (columns, points).
        first: what every product begins with, (points,).
    """
    products = _single(first)[:, np.newaxis]
    factors = _single(np.stack([lost, known], axis=2))
    for factor in factors:
        pairs = factor[:, :, np.newaxis] * products[:, np.newaxis]
        products = pairs.reshape(len(first), -1)
    return products


def _add_looked_up(
    terms: Singles,
    table: Singles,
    pattern: Patterns,
    looked_up: Singles,
) -> None:
    """Add to the terms of each row those of its pattern. `looked_up` is memory to work in."""
    for begin in range(0, len(pattern), len(looked_up)):
        part = pattern[begin : begin + len(looked_up)]
        part_terms = looked_up[: len(part)]
        table.take(part, axis=0, out=part_terms, mode="clip")
        terms[begin : begin + len(part)] += part_terms


def _single(numbers: Floats) -> Singles:
    return numbers.astype(np.float32)


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


def max_path_columns(width: int) -> int:
    """Return how many columns a path may have, for a matrix of this width.

    >>> max_path_columns(20), max_path_columns(500)
    (16, 12)
    """
    return min(MAX_COLUMNS, (MAX_TABLE_NUMBERS // width).bit_length() - 1)


@cache
def quadrature(most_columns: int) -> tuple[Floats, Floats]:
    """Return the points and the weights that are exact for a path with so many columns."""
    points, weights = np.polynomial.legendre.leggauss(max(1, (most_columns + 1) // 2))
    return (points + 1) / 2, weights / 2
