"""Check the nodes of a tree before C code walks it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]


def require_bounded(
    *,
    left_child: Integers,
    right_child: Integers,
    column: Integers,
    is_leaf: NDArray[np.bool_],
    threshold: Floats,
    rows: Integers,
    width: int,
) -> None:
    """Check that a tree reads only columns that exist, and that its nodes are a tree.

    All arrays have the shape (nodes,). As children come after their parent, every walk ends. As no
    node is the child of two, all levels together have no more nodes. Reasons divide by the rows.

    Args:
        left_child: the number of each node's left child.
        right_child: the number of each node's right child.
        column: the column that each node compares.
        is_leaf: whether a node has no children.
        threshold: what each node compares its column with.
        rows: the number of training rows of each node.
        width: the number of columns of the matrix.

    Raises:
        ValueError: a column or a child is out of range, a node does not have one parent, a
            threshold is no number, or a node has no rows.
    """
    inner = np.flatnonzero(~is_leaf)
    columns = column[inner].astype(np.int64)
    if np.any((columns < 0) | (columns >= width)):
        raise ValueError(f"a tree compares a column that is not among its {width} columns")
    if np.any(np.isnan(threshold[inner])):
        raise ValueError("a tree compares a column with a value that is not a number")
    if np.any(rows < 1):
        raise ValueError("a node of a tree has no training rows")
    for child in (left_child, right_child):
        children = child[inner].astype(np.int64)
        if np.any((children <= inner) | (children >= len(is_leaf))):
            raise ValueError("a node of a tree has a child that is not a later node of this tree")
    all_children = np.concatenate([left_child[inner], right_child[inner]]).astype(np.int64)
    _require_one_parent(all_children, len(is_leaf))


def _require_one_parent(children: Integers, nodes: int) -> None:
    """Check that each node but the first is the child of one node."""
    parent_counts = np.bincount(children, minlength=nodes)
    if np.any(parent_counts[1:] != 1):
        raise ValueError("a node of a tree does not have exactly one parent")
