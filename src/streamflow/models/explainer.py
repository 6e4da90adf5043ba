"""Compute how much each feature contributes to the answer of a model.

For a forest or gradient boosting these are the TreeSHAP values of the model's own trees, computed
by LightGBM. For a logistic regression they are its terms.

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
from streamflow.models.compiled_model import read_linear_model
from streamflow.models.pipelines import BOOSTING, FOREST

if TYPE_CHECKING:
    from lightgbm import Booster
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]

# Bits of LightGBM's decision_type: x <= threshold, where a NaN goes the default way.
NUMERICAL_NAN = 8
DEFAULT_LEFT = 2
# LightGBM's text format has no infinity; boosting separates nulls at an infinite threshold.
LARGEST_THRESHOLD = 1e300


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """The contributions of the encoder's columns to the margins of rows.

    For each row `base` plus the sum of its `columns` is its `margin`.

    Attributes:
        base: the answer without any contribution.
        margin: (n,)
        columns: (n, width)
    """

    base: float
    margin: Floats
    columns: Floats


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Computes the contributions for a fitted pipeline.

    The trees are converted when they are first needed.
    """

    pipeline: Pipeline

    @property
    def unit(self) -> str:
        """Return the unit of the margin.

        For a forest it is the forest's own probability, before calibration. For all different kinds
        it is the log-odds.
        """
        return "probability" if FOREST in self.pipeline.named_steps else "log-odds"

    def compute_contributions(self, matrix: Floats) -> Contributions:
        """Return the contributions of each column of the encoder's matrix (n, width), n > 0."""
        steps = self.pipeline.named_steps
        if FOREST not in steps and BOOSTING not in steps:
            return _compute_linear_contributions(self.pipeline, matrix)
        if FOREST in steps:  # scikit-learn compares the values in float32
            matrix = matrix.astype(np.float32).astype(np.float64)
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
        steps = self.pipeline.named_steps
        if FOREST in steps:
            trees, width = _read_forest(steps[FOREST])
        else:
            trees, width = _read_boosting(steps[BOOSTING])
        return Booster(model_str=_format_model(trees, width))


def _compute_linear_contributions(pipeline: Pipeline, matrix: Floats) -> Contributions:
    """Return the terms of a logistic regression: weight times distance from the training mean.

    A null counts as the value that replaced it in training.
    """
    fill_values, (centre, spread), (weights, intercept) = read_linear_model(pipeline)
    columns = (np.where(np.isnan(matrix), fill_values, matrix) - centre) / spread * weights
    margin = np.full(len(matrix), intercept)
    for column in range(columns.shape[1]):  # one after another, as the compiled model does
        margin += columns[:, column]
    return Contributions(base=intercept, margin=margin, columns=columns)


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """A tree as arrays of shape (nodes,), one value per node. A leaf has left_child < 0."""

    left_child: NDArray[np.int64]
    right_child: NDArray[np.int64]
    column: NDArray[np.int64]
    threshold: Floats
    null_left: NDArray[np.bool_]
    rows: NDArray[np.int64]
    value: Floats


def _read_forest(forest: Any) -> tuple[Iterable[_Tree], int]:
    """Return the trees of a forest and the number of its columns.

    The value of a leaf is its share of the second class, divided by the number of trees.
    """
    tree_count = len(forest.estimators_)
    trees = (
        _Tree(
            left_child=tree.children_left,
            right_child=tree.children_right,
            column=tree.feature,
            threshold=tree.threshold,
            null_left=tree.missing_go_to_left.astype(bool),
            rows=tree.n_node_samples,
            value=tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1) / tree_count,
        )
        for tree in (estimator.tree_ for estimator in forest.estimators_)
    )
    return trees, int(forest.n_features_in_)


def _read_boosting(boosting: Any) -> tuple[Iterable[_Tree], int]:
    """Return the trees of gradient boosting and the number of its columns.

    The baseline, which is the answer before the first tree, becomes a tree of one leaf.
    """

    def read_trees() -> Iterator[_Tree]:
        no_node = np.array([-1])
        # Boosting has no public trees; treelite reads these too.
        baseline = boosting._baseline_prediction.ravel()  # noqa: SLF001
        yield _Tree(
            left_child=no_node,
            right_child=no_node,
            column=no_node,
            threshold=np.zeros(1),
            null_left=np.zeros(1, bool),
            rows=np.array([1]),
            value=baseline.astype(float),
        )
        for (predictor,) in boosting._predictors:  # noqa: SLF001
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            yield _Tree(
                left_child=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                right_child=nodes["right"].astype(np.int64),
                column=nodes["feature_idx"].astype(np.int64),
                threshold=nodes["num_threshold"],
                null_left=nodes["missing_go_to_left"].astype(bool),
                rows=nodes["count"].astype(np.int64),
                value=nodes["value"],
            )

    return read_trees(), int(boosting.n_features_in_)


def _format_model(trees: Iterable[_Tree], width: int) -> str:
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
    return "\n".join(
        [
            *lines,
            "end of trees",
            "",
            "parameters:",
            "[verbosity: -1]",
            "end of parameters",
            "",
            "pandas_categorical:null",
            "",
        ]
    )


def _list_fields(tree: _Tree) -> Iterator[tuple[str, object]]:
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
    if len(splits):
        yield "split_feature", _join_integers(tree.column[splits])
        yield "split_gain", _join_integers(np.zeros(len(splits)))
        yield (
            "threshold",
            _join_floats(np.clip(tree.threshold[splits], -LARGEST_THRESHOLD, LARGEST_THRESHOLD)),
        )
        yield "decision_type", _join_integers(NUMERICAL_NAN + DEFAULT_LEFT * tree.null_left[splits])
        yield "left_child", _join_integers(number[tree.left_child[splits]])
        yield "right_child", _join_integers(number[tree.right_child[splits]])
    yield "leaf_value", _join_floats(tree.value[leaves])
    yield "leaf_weight", _join_integers(tree.rows[leaves])
    yield "leaf_count", _join_integers(tree.rows[leaves])
    if len(splits):
        yield "internal_value", _join_integers(np.zeros(len(splits)))
        yield "internal_weight", _join_integers(tree.rows[splits])
        yield "internal_count", _join_integers(tree.rows[splits])
    yield "is_linear", 0
    yield "shrinkage", 1


def _join_integers(values: NDArray[Any]) -> str:
    """Return integers as a text, separated by blanks."""
    return " ".join(map(str, values.astype(np.int64).tolist()))


def _join_floats(values: Floats) -> str:
    """Return floats as a text with all their bits, separated by blanks."""
    return " ".join(map(repr, values.tolist()))
