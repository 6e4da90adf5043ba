"""Count the votes of trees of pure leaves for many rows at once, with a bit for each row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamflow.models.forest_parts import Trees
from streamflow.models.model_kind import Floats

Singles = NDArray[np.float32]
NodeNumbers = NDArray[np.intp]
#: A bit for each row of a batch: (tests or nodes, words of 64 rows).
Masks = NDArray[np.uint64]


class Votes:
    """The trees that vote for class 1, for rows without nulls in a forest of pure leaves.

    A test is a column and a threshold. Its mask has the rows that are above the threshold. The mask
    of a node has the rows that get class 1 if they come to the node. It follows from the mask of
    the node's test and the masks of its children, so it is computed level by level from below. All
    rows visit all nodes, which is still faster than a walk.
    """

    def __init__(self, trees: Trees, trees_per_count: int) -> None:
        self._trees = len(trees.roots)
        self._columns: list[tuple[int, int, Singles]] = []
        self._tests = 1  # the test 0 stands for the leaves: no row passes it
        node_test = np.zeros(len(trees.children), dtype=np.intp)
        inner_nodes = np.concatenate([np.empty(0, dtype=np.intp), *trees.list_levels()])
        inner_feature = trees.feature[inner_nodes]
        for column in np.unique(inner_feature).tolist():
            nodes = inner_nodes[inner_feature == column]
            cuts, cut = np.unique(trees.threshold[nodes], return_inverse=True)
            node_test[nodes] = self._tests + cut
            self._columns.append((column, self._tests, cuts))
            self._tests += len(cuts)
        self._groups = [
            _plan_levels(
                trees.roots[i : i + trees_per_count], trees.children, node_test, self._tests
            )
            for i in range(0, self._trees, trees_per_count)
        ]

    def compute(self, rows: Floats) -> Floats:
        """Return the share of the trees that vote for class 1; (n, width) -> (n,)."""
        tests = self._make_test_masks(rows.astype(np.float32))  # as scikit-learn does itself
        votes = np.zeros(len(rows), dtype=np.int64)
        for levels, roots in self._groups:
            masks = tests[:0]
            for level in levels:
                masks = level.compute(tests, masks)
            root_bytes = masks.take(roots, axis=0).view(np.uint8)
            root_votes = np.unpackbits(root_bytes, axis=1, count=len(rows), bitorder="little")
            votes += np.add.reduce(root_votes, axis=0, dtype=np.int32)
        return votes / self._trees

    def _make_test_masks(self, rows: Singles) -> Masks:
        """Return the masks of all tests, then those of their opposites."""
        word_count = -(-len(rows) // 64)
        word, bit = np.divmod(np.arange(len(rows)), 64)
        word_bit = np.uint64(1) << bit.astype(np.uint64)
        masks = np.zeros((2 * self._tests, word_count), dtype=np.uint64)
        for column, first_test, cuts in self._columns:
            passed = np.searchsorted(cuts, rows[:, column])
            passing = np.flatnonzero(passed)
            last_passed = first_test + passed[passing] - 1
            # The bits of a word differ, so their sum is the word.
            position = last_passed * word_count + word[passing]
            np.add.at(masks.ravel(), position, word_bit[passing])
            from_last = masks[first_test : first_test + len(cuts)][::-1]
            np.bitwise_or.accumulate(from_last, axis=0, out=from_last)
        np.invert(masks[: self._tests], out=masks[self._tests :])
        return masks


class _Level(NamedTuple):
    """The nodes of one level: first those with two leaves, then with one, then without a leaf.

    The children are given by their positions in the level below.

    Attributes:
        tests: the test of each node, or its opposite if the rows that do not pass get class 1.
        and_children: for each node where a row needs the test and the child, the child.
        or_children: for each node where the test or the child is enough, the child.
        left_children: the left child of each node without a leaf.
        right_children: the right child of each node without a leaf.
    """

    tests: NodeNumbers
    and_children: NodeNumbers
    or_children: NodeNumbers
    left_children: NodeNumbers
    right_children: NodeNumbers

    def compute(self, tests: Masks, below: Masks) -> Masks:
        """Return the masks of the nodes of this level, from those of the level below."""
        masks = tests.take(self.tests, axis=0)
        first_without = len(masks) - len(self.left_children)
        first_or = first_without - len(self.or_children)
        first_and = first_or - len(self.and_children)
        masks[first_and:first_or] &= below.take(self.and_children, axis=0)
        masks[first_or:first_without] |= below.take(self.or_children, axis=0)
        # The right child where the test is passed, else the left one.
        left_masks = below.take(self.left_children, axis=0)
        difference = below.take(self.right_children, axis=0)
        difference ^= left_masks
        difference &= masks[first_without:]
        np.bitwise_xor(difference, left_masks, out=masks[first_without:])
        return masks


def _plan_levels(
    roots: NodeNumbers,
    children: NodeNumbers,
    node_test: NodeNumbers,
    test_count: int,
) -> tuple[list[_Level], NodeNumbers]:
    """Return the levels of trees from the lowest up, and the roots' positions in the last one."""
    nodes_by_level = [np.unique(roots)]
    while len(nodes_by_level[-1]):
        children_of_level = children[nodes_by_level[-1]].ravel()
        nodes_by_level.append(children_of_level[children_of_level > 1])
    position = np.zeros(len(children), dtype=np.intp)
    levels = []
    for nodes in reversed(nodes_by_level[:-1]):
        level, order = _plan_level(children[nodes], node_test[nodes], test_count, position)
        levels.append(level)
        position[nodes[order]] = np.arange(len(nodes))
    return levels, position[roots]


def _plan_level(
    children: NodeNumbers,
    test: NodeNumbers,
    test_count: int,
    position: NodeNumbers,
) -> tuple[_Level, NodeNumbers]:
    """Return the level of some nodes, and the order in which it has them.

    Args:
        children: the left and the right child of each node, (n, 2). A child below 2 is a leaf, and
            its number is its class.
        test: the test of each node, (n,).
        test_count: the number of tests; so much later is the opposite of a test.
        position: the positions of the nodes of the level below.
    """
    left_child, right_child = children.T
    left_is_leaf = left_child < 2
    right_is_leaf = right_child < 2
    leaf_class = np.where(left_is_leaf, left_child, right_child)
    has_two_leaves = left_is_leaf & right_is_leaf
    has_leaf = left_is_leaf | right_is_leaf
    kind = np.where(has_leaf, leaf_class + 1, 3)
    kind[has_two_leaves] = 0
    # Class 1 is for rows that do not pass, or class 0 for rows that pass.
    is_opposite = has_leaf & (left_is_leaf == (leaf_class == 1))
    has_equal_leaves = has_two_leaves & (left_child == right_child)
    tests = np.where(has_equal_leaves, 0, test)
    tests[is_opposite] += test_count
    order = np.argsort(kind, kind="stable")
    bounds = np.searchsorted(kind[order], [1, 2, 3])
    _, with_and, with_or, without_leaf = np.split(order, bounds)
    inner_child = np.where(left_is_leaf, right_child, left_child)
    level = _Level(
        tests=tests[order],
        and_children=position[inner_child[with_and]],
        or_children=position[inner_child[with_or]],
        left_children=position[left_child[without_leaf]],
        right_children=position[right_child[without_leaf]],
    )
    return level, order
