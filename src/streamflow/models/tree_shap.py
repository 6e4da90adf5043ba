"""Shapley values of the columns for trees, weighted by the training rows of each node.

A leaf adds to a row its value times the product of a factor per column of its path. The factor is
1 or 0 if the value of the column is known, and the share of the training rows that took the same
way if it is not. Shapley's weights of "known before" are the integral over t in (0, 1) of
t^k (1 - t)^(d - 1 - k). So the contribution of a column is the integral of a polynomial: a product
of `known * t + share * (1 - t)` over the columns of the path. Gauss's quadrature with d / 2 points
is exact for it. All terms of a product are positive, so nothing cancels.

The products of all nodes are made from the root down, and the sums of all subtrees from the leaves
up: each node is visited twice, whatever the depth. This is the idea of Linear TreeSHAP (Yu et al.,
2022). The trees are taken some at a time, so that their numbers stay in the processor's cache.

Many rows are computed in a different way, which takes a small part of the time: `pattern_shap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from streamflow.models.model_kind import Contributions, Floats, Tree
from streamflow.models.pattern_shap import MIN_ROWS, PatternShap
from streamflow.models.pattern_tables import max_path_columns, quadrature
from streamflow.models.processors import count_processors
from streamflow.models.tree_paths import TreePaths, build_paths

#: `map`, or that of a pool of threads.
Run = Callable[..., Iterable[Any]]

#: Nodes of trees that are computed at a time: their numbers fit into the cache of a core.
NODES_PER_GROUP = 20_000
#: From this number of rows on, the rows are shared out among threads.
MIN_THREADED_ROWS = 8


class TreeShap:
    """Computes the contributions of columns to the sum of some trees.

    Args:
        trees: the trees. The answer of the model is the sum of their leaves.
        width: the number of columns of the matrix.
    """

    def __init__(self, trees: Iterable[Tree], width: int) -> None:
        self._width = width
        self._groups = [_Group(group, build_paths(group, width)) for group in _group_trees(trees)]
        self._base = sum(group.paths.base for group in self._groups)

    def compute(self, matrix: Floats) -> Contributions:
        """Return the contributions for each row; matrix (n, width), n > 0.

        Below MIN_ROWS the bits of a row do not depend on the rows beside it. From there on its
        contributions are the same to 1e-6, and their bits depend on no different row either.
        """
        columns = np.zeros((len(matrix), self._width))
        margin = np.zeros(len(matrix))
        threads = 1 if len(matrix) < MIN_THREADED_ROWS else count_processors()
        with ThreadPoolExecutor(threads) as pool:
            run: Run = pool.map if threads > 1 else map
            groups = self._groups
            if len(matrix) >= MIN_ROWS:
                groups = self._add_by_patterns(matrix, columns, margin, run)
            for group in groups:
                add_row = partial(_GroupTerms(group.paths).add_row, matrix, columns, margin)
                for _ in run(add_row, range(len(matrix))):
                    pass
        return Contributions(base=float(self._base), margin=margin, columns=columns)

    def _add_by_patterns(
        self,
        matrix: Floats,
        columns: Floats,
        margin: Floats,
        run: Run,
    ) -> list[_Group]:
        """Add the contributions of all trees whose paths are short; return the groups that remain.

        The arguments are those of `PatternShap.add`.
        """
        limit = max_path_columns(self._width)
        short = [group for group in self._groups if group.paths.most_columns <= limit]
        trees = [tree for group in short for tree in group.trees]
        if trees:
            most_columns = max(group.paths.most_columns for group in short)
            PatternShap(trees, most_columns).add(matrix, columns, margin, run)
        return [group for group in self._groups if group.paths.most_columns > limit]


class _Group(NamedTuple):
    """Some trees, and the paths of all their nodes."""

    trees: list[Tree]
    paths: TreePaths


def _group_trees(trees: Iterable[Tree]) -> Iterator[list[Tree]]:
    """Yield the trees in groups of about NODES_PER_GROUP nodes, in their order."""
    group: list[Tree] = []
    nodes = 0
    for tree in trees:
        group.append(tree)
        nodes += len(tree.value)
        if nodes >= NODES_PER_GROUP:
            yield group
            group, nodes = [], 0
    if group:
        yield group


class _GroupTerms:
    """The numbers of one group of trees that do not depend on a row.

    All arrays have a row per node and a column per point of the quadrature. `known` is for a node
    whose column is known and goes this way, `lost` for one whose value goes a different way. A node
    below a lost one on the same column is lost too, and adds nothing.
    """

    def __init__(self, paths: TreePaths) -> None:
        self._paths = paths
        points, weights = quadrature(paths.most_columns)
        share = paths.share[:, np.newaxis]
        unknown_factor = share * (1 - points)
        known_factor = points + unknown_factor
        known_gain = (1 - share) / known_factor
        factor_above = known_factor[paths.same_above]
        self._known_factor = known_factor / factor_above
        self._lost_factor = unknown_factor / factor_above
        gain_above = known_gain[paths.same_above]
        self._known_term = weights * (known_gain - gain_above)
        self._lost_term = weights * (-1 / (1 - points) - gain_above)

    def add_row(self, matrix: Floats, columns: Floats, margin: Floats, row: int) -> None:
        """Add the contributions of these trees to one row of `columns` and of `margin`."""
        paths = self._paths
        is_known = paths.follow(matrix[row])
        below_lost = np.flatnonzero(~is_known[paths.same_above])
        choice = is_known[:, np.newaxis]
        product = np.where(choice, self._known_factor, self._lost_factor)
        product[below_lost] = paths.ratio[below_lost, np.newaxis]
        paths.multiply_down(product)
        product *= paths.value[:, np.newaxis]
        paths.add_up(product)
        product *= np.where(choice, self._known_term, self._lost_term)
        terms = product.sum(axis=1)
        terms[below_lost] = 0.0
        columns[row] += np.bincount(paths.column, weights=terms, minlength=matrix.shape[1])
        margin[row] += paths.add_reached(is_known)
