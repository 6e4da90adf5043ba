"""Contributions to what a model says: TreeSHAP of its own trees by LightGBM, or the terms of a logistic regression.

A fitted forest or boosting becomes a LightGBM model with the same trees; nothing is fitted here. A node's share is that of the
training rows that reached it, not of the draws that balance classes: the base is about what the model says of the population.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamflow.errors import StreamflowError
from streamflow.models.compiled_model import linear_parts
from streamflow.models.pipelines import BOOSTING, FOREST

if TYPE_CHECKING:
    from lightgbm import Booster
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]

NUMERICAL_NAN, DEFAULT_LEFT = (
    8,
    2,
)  # bits of LightGBM's decision_type: x <= threshold, a NaN goes the default way
LARGEST = 1e300  # LightGBM's text has no infinity; boosting splits nulls off at one


@dataclass(frozen=True, kw_only=True)
class Terms:
    """base + the sum of a row of `columns` = the row's margin. margin (n,), columns (n, width)."""

    base: float
    margin: Floats
    columns: Floats


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """The contributions of a fitted pipeline; its trees are taken over when they are first asked for."""

    pipeline: Pipeline

    @property
    def unit(self) -> str:
        """What the margin is: the forest's own probability, before calibration, or the log-odds of the others."""
        return "probability" if FOREST in self.pipeline.named_steps else "log-odds"

    def terms(self, matrix: Floats) -> Terms:
        """The contributions of each column of the encoder's matrix (n, width), n > 0."""
        names = self.pipeline.named_steps
        if FOREST not in names and BOOSTING not in names:
            return _linear(self.pipeline, matrix)
        if FOREST in names:  # scikit-learn compares what float32 holds
            matrix = matrix.astype(np.float32).astype(np.float64)
        threads = 1 if len(matrix) == 1 else 0  # rows are shared out, no sum is: the same bits
        told = np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=threads))
        margin = np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=threads))
        return Terms(base=float(told[0, -1]), margin=margin, columns=told[:, :-1])

    @cached_property
    def _booster(self) -> Booster:
        try:
            from lightgbm import Booster
        except OSError as exc:  # libgomp is no part of its wheel
            raise StreamflowError(
                f"LightGBM cannot be loaded: {exc}", remedy="Install libgomp (Debian: libgomp1)."
            ) from exc
        names = self.pipeline.named_steps
        trees, width = (
            _trees_of(names[FOREST]) if FOREST in names else _trees_of_boosting(names[BOOSTING])
        )
        return Booster(model_str=_text(trees, width))


def _linear(pipeline: Pipeline, matrix: Floats) -> Terms:
    """Weight times the distance from the mean of the training rows; a null is the value that was put in its place."""
    means, (centre, spread), (weights, intercept) = linear_parts(pipeline)
    columns = (np.where(np.isnan(matrix), means, matrix) - centre) / spread * weights
    margin = np.full(len(matrix), intercept)
    for column in range(columns.shape[1]):  # one by one, as the compiled model does
        margin += columns[:, column]
    return Terms(base=intercept, margin=margin, columns=columns)


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """A tree by its nodes, all arrays (nodes,): a leaf has left < 0."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    column: NDArray[np.int64]
    threshold: Floats
    null_left: NDArray[np.bool_]
    rows: NDArray[np.int64]
    value: Floats


def _trees_of(forest: Any) -> tuple[Iterable[_Tree], int]:
    """Each leaf says its share of the second class, divided by the number of trees."""
    count = len(forest.estimators_)
    trees = (
        _Tree(
            left=tree.children_left,
            right=tree.children_right,
            column=tree.feature,
            threshold=tree.threshold,
            null_left=tree.missing_go_to_left.astype(bool),
            rows=tree.n_node_samples,
            value=tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1) / count,
        )
        for tree in (estimator.tree_ for estimator in forest.estimators_)
    )
    return trees, int(forest.n_features_in_)


def _trees_of_boosting(boosting: Any) -> tuple[Iterable[_Tree], int]:
    """The trees, and what is said before the first of them: a leaf alone."""

    def trees() -> Iterator[_Tree]:
        nothing = np.array([-1])
        baseline = (
            boosting._baseline_prediction.ravel()
        )  # boosting has no public trees; treelite reads these too
        yield _Tree(
            left=nothing, right=nothing, column=nothing, threshold=np.zeros(1), null_left=np.zeros(1, bool),
            rows=np.array([1]), value=baseline.astype(float),
        )  # fmt: skip
        for (predictor,) in boosting._predictors:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            yield _Tree(
                left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                right=nodes["right"].astype(np.int64),
                column=nodes["feature_idx"].astype(np.int64),
                threshold=nodes["num_threshold"],
                null_left=nodes["missing_go_to_left"].astype(bool),
                rows=nodes["count"].astype(np.int64),
                value=nodes["value"],
            )

    return trees(), int(boosting.n_features_in_)


def _text(trees: Iterable[_Tree], width: int) -> str:
    """LightGBM's own text of a model; 17 digits are every bit of a float."""
    head = {
        "version": "v4",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "label_index": 0,
        "max_feature_idx": width - 1,
        "objective": "regression",
        "feature_names": " ".join(f"c{i}" for i in range(width)),
        "feature_infos": " ".join(["[-inf:inf]"] * width),
    }
    lines = ["tree", *(f"{name}={value}" for name, value in head.items()), ""]
    for number, tree in enumerate(trees):
        lines += [f"Tree={number}", *(f"{name}={value}" for name, value in _fields(tree)), "", ""]
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


def _fields(tree: _Tree) -> Iterator[tuple[str, object]]:
    """Splits and leaves are numbered apart; a child that is the leaf i is written as ~i."""
    leaf = tree.left < 0
    splits, leaves = np.flatnonzero(~leaf), np.flatnonzero(leaf)
    number = np.empty(len(leaf), dtype=np.int64)
    number[splits], number[leaves] = np.arange(len(splits)), ~np.arange(len(leaves))
    yield "num_leaves", len(leaves)
    yield "num_cat", 0
    if len(splits):
        yield "split_feature", _integers(tree.column[splits])
        yield "split_gain", _integers(np.zeros(len(splits)))
        yield "threshold", _floats(np.clip(tree.threshold[splits], -LARGEST, LARGEST))
        yield "decision_type", _integers(NUMERICAL_NAN + DEFAULT_LEFT * tree.null_left[splits])
        yield "left_child", _integers(number[tree.left[splits]])
        yield "right_child", _integers(number[tree.right[splits]])
    yield "leaf_value", _floats(tree.value[leaves])
    yield "leaf_weight", _integers(tree.rows[leaves])
    yield "leaf_count", _integers(tree.rows[leaves])
    if len(splits):
        yield "internal_value", _integers(np.zeros(len(splits)))
        yield "internal_weight", _integers(tree.rows[splits])
        yield "internal_count", _integers(tree.rows[splits])
    yield "is_linear", 0
    yield "shrinkage", 1


def _integers(values: NDArray[Any]) -> str:
    return " ".join(map(str, values.astype(np.int64).tolist()))


def _floats(values: Floats) -> str:
    return " ".join(map(repr, values.tolist()))
