"""What all kinds of models have in common that are a random forest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from streamflow.models.batch_forest import BatchForest
from streamflow.models.file_object import type_name_of
from streamflow.models.model_kind import (
    PROBABILITY,
    FitOptions,
    LearnedContent,
    ModelKind,
    Tree,
)
from streamflow.models.portable import forest as forest_code
from streamflow.models.request_forest import prepare_for_requests

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TREE_TYPE = "sklearn.tree._classes.DecisionTreeClassifier"
#: The arrays that define a tree, and their types in the content digest: integers as int64, floats
#: as IEEE 754 doubles, all big-endian.
TREE_ARRAYS = (
    ("children_left", ">i8"),
    ("children_right", ">i8"),
    ("feature", ">i8"),
    ("threshold", ">f8"),
    ("missing_go_to_left", "u1"),
    ("value", ">f8"),
)


def create_forest_kind(
    *,
    name: str,
    rank: int,
    step: str,
    create: Callable[[FitOptions], list[tuple[str, Any]]],
    leaf_sizes: tuple[int, ...] = (1,),
    is_candidate: bool = True,
) -> ModelKind:
    """Create the kind of a model that is one random forest, in the step `step` of its pipeline."""
    return ModelKind(
        name=name,
        rank=rank,
        steps=(step,),
        create=create,
        leaf_sizes=leaf_sizes,
        is_candidate=is_candidate,
        threaded_step=step,
        code=forest_code,  # gives the bits of scikit-learn
        for_batches=BatchForest,
        for_requests=prepare_for_requests,
        tolerance=0.0,
        read_learned=partial(_read_learned, step),
        require_bounds=partial(_require_bounds, step),
        trusted_types=(
            "sklearn.ensemble._forest.RandomForestClassifier",
            TREE_TYPE,
            "sklearn.tree._tree.Tree",
        ),
        margin_unit=PROBABILITY,  # the forest's own probability, before calibration
        matrix_type=np.float32,  # as scikit-learn compares the values
        read_trees=partial(_read_trees, step),
    )


def _read_learned(step: str, pipeline: Pipeline) -> LearnedContent:
    """Return the classes and the trees of the forest."""
    forest = pipeline.named_steps[step]
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return LearnedContent(
        format_name="streamflow forest 1",
        header_fields={
            "classes": forest.classes_.tolist(),
            "nodes": [int(tree.node_count) for tree in trees],
        },
        arrays=(
            (_get_tree_array(tree, name), array_type)
            for tree in trees
            for name, array_type in TREE_ARRAYS
        ),
    )


def _get_tree_array(tree: Any, name: str) -> Any:
    """Return an array of a tree by its name."""
    if name == "missing_go_to_left":
        return tree.__getstate__()["nodes"][name]
    return getattr(tree, name)


def _require_bounds(step: str, pipeline: Pipeline, width: int) -> None:
    """Check that the forest and its trees read the columns of the encoder's matrix.

    The nodes of each tree are checked before the tree is made: see `model_bounds`.
    """
    forest = pipeline.named_steps[step]
    if not len(forest.estimators_):
        raise ValueError("the forest has no trees")
    for estimator in forest.estimators_:
        if type_name_of(estimator) != TREE_TYPE:
            raise ValueError(f"the forest has a {type_name_of(estimator)} among its trees")
        if not estimator.n_features_in_ == estimator.tree_.n_features == width:
            raise ValueError(f"a tree does not read the {width} columns of the encoder")
    if forest.n_features_in_ != width or forest.n_jobs != 1:
        raise ValueError("the forest does not read the columns of the encoder in one thread")


def _read_trees(step: str, pipeline: Pipeline) -> tuple[Iterable[Tree], int]:
    """Return the trees of the forest and the number of its columns.

    The value of a leaf is its share of the second class, divided by the number of trees.
    """
    forest = pipeline.named_steps[step]
    tree_count = len(forest.estimators_)
    trees = (
        Tree(
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
