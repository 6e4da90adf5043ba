"""Compute how much each feature contributes to the answer of a model.

For a kind of model with trees these are the TreeSHAP values of the model's own trees, computed by
LightGBM. For a kind without trees they are its terms.

A fitted forest or boosting becomes a LightGBM model with the same trees; nothing is fitted here.
The weight of a node is the number of training rows that reached it, not the number of draws that
balance the classes. So the base is about the model's average answer for the population.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamflow.errors import StreamflowError
from streamflow.models.kinds import kind_of
from streamflow.models.model_kind import Contributions, Floats, Tree

if TYPE_CHECKING:
    from lightgbm import Booster
    from sklearn.pipeline import Pipeline

# Bits of LightGBM's decision_type: x <= threshold, where a NaN goes the default way.
NUMERICAL_NAN = 8
DEFAULT_LEFT = 2
# LightGBM's text format has no infinity; boosting separates nulls at an infinite threshold.
LARGEST_THRESHOLD = 1e300
# How a model in LightGBM's text format ends, after the last tree.
LAST_LINES = (
    "end of trees",
    "",
    "parameters:",
    "[verbosity: -1]",
    "end of parameters",
    "",
    "pandas_categorical:null",
    "",
)


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Computes the contributions for a fitted pipeline.

    The trees are converted when they are first needed.
    """

    pipeline: Pipeline

    @property
    def unit(self) -> str:
        """Return the unit of the margin, which the kind of the model decides."""
        return kind_of(self.pipeline).margin_unit

    def compute_contributions(self, matrix: Floats) -> Contributions:
        """Return the contributions of each column of the encoder's matrix (n, width), n > 0."""
        kind = kind_of(self.pipeline)
        if kind.compute_terms is not None:
            return kind.compute_terms(self.pipeline, matrix)
        matrix = matrix.astype(kind.matrix_type).astype(np.float64)
        # Threads share out whole rows and no sum, so the bits do not depend on their number.
        threads = 1 if len(matrix) == 1 else 0
        shap = np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=threads))
        margin = np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=threads))
        return Contributions(base=float(shap[0, -1]), margin=margin, columns=shap[:, :-1])

    @cached_property
    def _booster(self) -> Booster:
        """The LightGBM model with the trees of the pipeline."""
        try:
            from lightgbm import Booster
        except OSError as exc:  # LightGBM's wheel does not contain libgomp
            raise StreamflowError(
                f"LightGBM cannot be loaded: {exc}",
                remedy="Install libgomp (Debian: libgomp1).",
            ) from exc
        read_trees = kind_of(self.pipeline).read_trees
        assert read_trees is not None  # otherwise the kind is explained by its terms
        trees, width = read_trees(self.pipeline)
        return Booster(model_str=_format_model(trees, width))


def _format_model(trees: Iterable[Tree], width: int) -> str:
    """Return a model in LightGBM's text format.

    Floats are written by `repr`, which keeps every bit.
    """
    header = {
        "version": "v4",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "label_index": 0,
        "max_feature_idx": width - 1,
        "objective": "regression",
        "feature_names": " ".join(f"c{i}" for i in range(width)),
        "feature_infos": " ".join(["[-inf:inf]"] * width),
    }
    lines = ["tree", *(f"{name}={value}" for name, value in header.items()), ""]
    for number, tree in enumerate(trees):
        lines.append(f"Tree={number}")
        lines += [f"{name}={value}" for name, value in _list_fields(tree)]
        lines += ["", ""]
    return "\n".join([*lines, *LAST_LINES])


def _list_fields(tree: Tree) -> Iterator[tuple[str, object]]:
    """Yield name and value of each field of a tree in LightGBM's text format.

    Splits and leaves are numbered separately. A child that is the leaf i is written as ~i.
    """
    is_leaf = tree.left_child < 0
    splits = np.flatnonzero(~is_leaf)
    leaves = np.flatnonzero(is_leaf)
    number = np.empty(len(is_leaf), dtype=np.int64)
    number[splits] = np.arange(len(splits))
    number[leaves] = ~np.arange(len(leaves))
    yield "num_leaves", len(leaves)
    yield "num_cat", 0
    no_values = _join_integers(np.zeros(len(splits)))
    if len(splits):
        thresholds = np.clip(tree.threshold[splits], -LARGEST_THRESHOLD, LARGEST_THRESHOLD)
        decision_types = NUMERICAL_NAN + DEFAULT_LEFT * tree.null_left[splits]
        left_children = tree.left_child[splits]
        right_children = tree.right_child[splits]
        yield "split_feature", _join_integers(tree.column[splits])
        yield "split_gain", no_values
        yield "threshold", _join_floats(thresholds)
        yield "decision_type", _join_integers(decision_types)
        yield "left_child", _join_integers(number[left_children])
        yield "right_child", _join_integers(number[right_children])
    leaf_rows = _join_integers(tree.rows[leaves])
    yield "leaf_value", _join_floats(tree.value[leaves])
    yield "leaf_weight", leaf_rows
    yield "leaf_count", leaf_rows
    if len(splits):
        split_rows = _join_integers(tree.rows[splits])
        yield "internal_value", no_values
        yield "internal_weight", split_rows
        yield "internal_count", split_rows
    yield "is_linear", 0
    yield "shrinkage", 1


def _join_integers(values: NDArray[Any]) -> str:
    """Return integers as a text, separated by blanks."""
    return " ".join(map(str, values.astype(np.int64).tolist()))


def _join_floats(values: Floats) -> str:
    """Return floats as a text with all their bits, separated by blanks."""
    return " ".join(map(repr, values.tolist()))
