"""Gradient boosting: small trees that are grown slowly, which suits some thousand rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from streamflow.models.model_kind import LOG_ODDS, FitOptions, LearnedContent, ModelKind, Tree
from streamflow.models.portable import boosted_trees
from streamflow.models.tree_bounds import require_bounded

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

BOOSTING = "boosting"

#: The arrays that define a tree, and their types in the content digest: integers as int64, floats
#: as IEEE 754 doubles, all big-endian.
TREE_ARRAYS = (
    ("left", ">i8"),
    ("right", ">i8"),
    ("feature_idx", ">i8"),
    ("num_threshold", ">f8"),
    ("missing_go_to_left", "u1"),
    ("is_leaf", "u1"),
    ("value", ">f8"),
)


# The candidates of the fewest training rows in a leaf, each with the learning rate, the number of
# trees, the most leaves of a tree and the regularisation that belong to it: small trees that are
# grown slowly suit noisy outcomes; scikit-learn's own numbers suit outcomes that follow rules.
# The numbers of the first are conventions of ours.
SHAPES = {40: (0.05, 150, 15, 1.0), 20: (0.1, 100, 31, 0.0)}


def _create(options: FitOptions) -> list[tuple[str, Any]]:
    """Create the estimator of a leaf size."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    learning_rate, trees, leaves, regularization = SHAPES[options.leaf_size]
    boosting = HistGradientBoostingClassifier(
        learning_rate=learning_rate,
        max_iter=trees,
        max_leaf_nodes=leaves,
        min_samples_leaf=options.leaf_size,
        l2_regularization=regularization,
        early_stopping=False,
        random_state=options.seed,
    )
    return [(BOOSTING, boosting)]


def _read_learned(pipeline: Pipeline) -> LearnedContent:
    """Return the trees and the baseline. scikit-learn has no public name for its trees."""
    boosting = pipeline.named_steps[BOOSTING]
    tree_nodes = [predictors[0].nodes for predictors in boosting._predictors]  # noqa: SLF001
    return LearnedContent(
        format_name="streamflow boosting 1",
        header_fields={
            "nodes": [len(nodes) for nodes in tree_nodes],
            "baseline": boosting._baseline_prediction.tolist(),  # noqa: SLF001
        },
        arrays=(
            (nodes[name], array_type) for nodes in tree_nodes for name, array_type in TREE_ARRAYS
        ),
    )


def _require_bounds(pipeline: Pipeline, width: int) -> None:
    """Check that every tree has numeric splits on the columns of the encoder's matrix."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    boosting = pipeline.named_steps[BOOSTING]
    baseline = boosting._baseline_prediction  # noqa: SLF001
    is_plain = (
        boosting.n_features_in_ == width
        and boosting.n_trees_per_iteration_ == 1
        and boosting.is_categorical_ is None
        and (baseline.dtype, baseline.size) == (np.float64, 1)
    )
    if not is_plain:
        raise ValueError(f"the boosting does not read the {width} columns of the encoder")
    for (predictor,) in boosting._predictors:  # noqa: SLF001
        nodes = predictor.nodes
        if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not len(nodes):
            raise ValueError("the nodes of a tree do not have the type of scikit-learn")
        if nodes["is_categorical"].any():
            raise ValueError("a tree has a split by category, which no model of ours has")
        require_bounded(
            left_child=nodes["left"],
            right_child=nodes["right"],
            column=nodes["feature_idx"],
            is_leaf=nodes["is_leaf"].astype(bool),
            threshold=nodes["num_threshold"],
            rows=nodes["count"],
            width=width,
        )


def _read_trees(pipeline: Pipeline) -> tuple[Iterable[Tree], int]:
    """Return the trees and the number of their columns."""
    boosting = pipeline.named_steps[BOOSTING]
    return _iterate_trees(boosting), int(boosting.n_features_in_)


def _iterate_trees(boosting: Any) -> Iterator[Tree]:
    """Yield the trees. The baseline, the answer before the first tree, is a tree of one leaf."""
    no_node = np.array([-1])
    # Boosting has no public trees; treelite reads these too.
    baseline = boosting._baseline_prediction.ravel()  # noqa: SLF001
    yield Tree(
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
        yield Tree(
            left_child=np.where(leaf, -1, nodes["left"].astype(np.int64)),
            right_child=nodes["right"].astype(np.int64),
            column=nodes["feature_idx"].astype(np.int64),
            threshold=nodes["num_threshold"],
            null_left=nodes["missing_go_to_left"].astype(bool),
            rows=nodes["count"].astype(np.int64),
            value=nodes["value"],
        )


KIND = ModelKind(
    name="boosting",
    rank=4,
    steps=(BOOSTING,),
    needs_values=True,
    create=_create,
    leaf_sizes=tuple(SHAPES),
    code=boosted_trees,
    required_packages=("treelite",),
    tolerance=1e-12,
    read_learned=_read_learned,
    require_bounds=_require_bounds,
    trusted_types=(
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.preprocessing._label.LabelEncoder",
    ),
    margin_unit=LOG_ODDS,
    needs_objects=True,  # treelite reads the fitted estimator
    read_trees=_read_trees,
)
