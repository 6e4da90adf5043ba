"""The baseline: a random forest that balances the classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from streamflow.models.model_kind import Learned, ModelKind, Tree
from streamflow.models.portable import forest as forest_code

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOREST = "forest"

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


def _create(trees: int, seed: int) -> list[tuple[str, Any]]:
    """Create the forest. The balanced classes and the square root are those of the reference."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=trees, class_weight="balanced", max_features="sqrt", random_state=seed
    )
    return [(FOREST, forest)]


def _read_learned(pipeline: Pipeline) -> Learned:
    """Return the classes and the trees of the forest."""
    forest = pipeline.named_steps[FOREST]
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return Learned(
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


def _require_bounds(pipeline: Pipeline, width: int) -> None:
    """Check that the forest and its trees read the columns of the encoder's matrix.

    The nodes of each tree are checked before the tree is made: see `model_bounds`.
    """
    from sklearn.tree import DecisionTreeClassifier

    forest = pipeline.named_steps[FOREST]
    for estimator in forest.estimators_:
        if type(estimator) is not DecisionTreeClassifier:
            raise ValueError(f"the forest has a {type(estimator).__name__} among its trees")
        if not estimator.n_features_in_ == estimator.tree_.n_features == width:
            raise ValueError(f"a tree does not read the {width} columns of the encoder")
    if forest.n_features_in_ != width or forest.n_jobs != 1:
        raise ValueError("the forest does not read the columns of the encoder in one thread")


def _read_trees(pipeline: Pipeline) -> tuple[Iterable[Tree], int]:
    """Return the trees of the forest and the number of its columns.

    The value of a leaf is its share of the second class, divided by the number of trees.
    """
    forest = pipeline.named_steps[FOREST]
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


KIND = ModelKind(
    name="baseline",
    rank=2,
    steps=(FOREST,),
    create=_create,
    threaded_step=FOREST,
    code=forest_code,  # gives the bits of scikit-learn
    tolerance=0.0,
    read_learned=_read_learned,
    require_bounds=_require_bounds,
    trusted_types=(
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._tree.Tree",
    ),
    margin_unit="probability",  # the forest's own probability, before calibration
    matrix_type=np.float32,  # as scikit-learn compares the values
    read_trees=_read_trees,
)
