"""A forest as one tree: scikit-learn's own compiled walk answers it in one call, with the bits of `predict_proba`.

The topmost nodes split on a further column, the number of a tree, and lead to the root of that tree. So a row is asked once per
tree, and nothing is called per tree, which would take longer than the walks. Tree by tree: the nodes of one tree are in the
processor's cache for all rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROWS = 512  # asked at once: 25 KB each with 300 trees of 20 columns; a batch of more would not be faster


class OneTree:
    """A fitted random forest of two classes."""

    def __init__(self, forest: Any) -> None:
        trees = [estimator.tree_ for estimator in forest.estimators_]
        self._width = int(trees[0].n_features)
        self._numbers = np.arange(len(trees), dtype=np.float32)[:, None]
        self._tree = _joined(trees, self._width)

    def __call__(self, matrix: Floats) -> Floats:
        """The probability of class 1; matrix (n, width) -> (n,)."""
        rows = matrix.astype(np.float32)  # as scikit-learn does itself
        return np.concatenate([self._some(rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)])

    def _some(self, rows: NDArray[np.float32]) -> Floats:
        trees = len(self._numbers)
        asked = np.empty((trees, len(rows), self._width + 1), dtype=np.float32)
        asked[:, :, :-1], asked[:, :, -1] = rows, self._numbers
        answers = self._tree.predict(asked.reshape(trees * len(rows), -1)).reshape(trees, len(rows))
        added: Floats = np.add.accumulate(answers)[-1]  # one after the other: a sum in another order has other last bits
        return added / trees


def _joined(trees: Sequence[Any], number: int) -> Any:
    """One tree of all; `number` is the column that says which one is asked."""
    from sklearn.tree._tree import Tree

    nodes = [tree.__getstate__()["nodes"] for tree in trees]
    roots = np.cumsum([len(trees) - 1, *map(len, nodes)])
    joined = np.empty(roots[-1], dtype=nodes[0].dtype)
    joined[: roots[0]] = _chooser(roots[:-1], number, nodes[0].dtype)
    for root, own in zip(roots, nodes, strict=False):
        moved = joined[root : root + len(own)]
        moved[:] = own
        for side in ("left_child", "right_child"):
            moved[side][own["left_child"] >= 0] += root  # a leaf has -1
    values = np.concatenate([np.zeros(roots[0]), *(tree.value[:, 0, 1] for tree in trees)])
    tree = Tree(number + 1, np.ones(1, dtype=np.intp), 1)
    depth = max(int(tree.max_depth) for tree in trees) + len(trees).bit_length()
    tree.__setstate__({"max_depth": depth, "node_count": len(joined), "nodes": joined, "values": values[:, None, None]})
    return tree


def _chooser(roots: NDArray[np.intp], number: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """The nodes that lead from a tree's number to its root, in halves."""
    nodes = np.zeros(len(roots) - 1, dtype=kind)
    halved = [(0, len(roots))] if len(roots) > 1 else []
    for node, (low, high) in zip(nodes, halved, strict=False):  # `halved` grows meanwhile, by one for each node that is to come
        middle = (low + high) // 2
        node["feature"], node["threshold"] = number, middle - 0.5
        for side, (first, end) in (("left_child", (low, middle)), ("right_child", (middle, high))):
            if end - first == 1:
                node[side] = roots[first]
            else:
                node[side] = len(halved)
                halved.append((first, end))
    return nodes
