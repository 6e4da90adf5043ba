"""A forest gives many rows the bits of scikit-learn, whether they are walked or counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streamflow.models.batch_forest import ROWS_PER_COUNT, BatchForest
from streamflow.models.model_kind import Floats
from streamflow.models.portable.forest import ROWS_PER_BATCH, Forest

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

WIDTH = 5


def _matrix(rows: int, seed: int) -> Floats:
    """Return rows of which one column has only the values 0 and 1, and one has few values."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, WIDTH))
    matrix[:, 1] = matrix[:, 1] > 0
    matrix[:, 2] = np.round(matrix[:, 2])
    return matrix


def _fit(trees: int, rows: Floats, leaf_size: int = 1) -> RandomForestClassifier:
    from sklearn.ensemble import RandomForestClassifier

    noise = np.random.default_rng(trees).normal(size=len(rows))
    label = (np.nan_to_num(rows[:, 0]) + rows[:, 1] + noise > 0).astype(int)
    forest = RandomForestClassifier(
        trees,
        class_weight="balanced",
        min_samples_leaf=leaf_size,
        random_state=1,
    )
    return forest.fit(rows, label)


@pytest.mark.parametrize("trees", [1, 21])
@pytest.mark.parametrize("leaf_size", [1, 7])
@pytest.mark.parametrize("null_share", [0.0, 0.1])
def test_many_rows_get_the_bits_of_scikit_learn(
    trees: int,
    leaf_size: int,
    null_share: float,
) -> None:
    matrix = _matrix(2 * ROWS_PER_COUNT + 77, seed=trees)
    matrix[np.random.default_rng(3).random(matrix.shape) < null_share] = np.nan
    fitted = _fit(trees, matrix[:300], leaf_size)
    forest = BatchForest(Forest(fitted))
    expected = fitted.predict_proba(matrix)[:, 1]
    for rows in (1, ROWS_PER_BATCH, ROWS_PER_BATCH + 1, ROWS_PER_COUNT, len(matrix)):
        assert forest(matrix[:rows]).tobytes() == expected[:rows].tobytes()


def test_values_at_a_threshold_go_where_scikit_learn_sends_them() -> None:
    fitted = _fit(30, _matrix(300, seed=5))
    thresholds = np.concatenate([tree.tree_.threshold for tree in fitted.estimators_])
    matrix = np.random.default_rng(6).choice(thresholds, size=(ROWS_PER_COUNT, WIDTH))
    matrix[::3] = np.nextafter(matrix[::3], np.inf)
    matrix[1::7] = [0.0, -0.0, np.inf, -np.inf, 3e38]
    answers = BatchForest(Forest(fitted))(matrix)
    clipped = np.clip(matrix, -3e38, 3e38)  # scikit-learn takes no infinity
    assert answers.tobytes() == fitted.predict_proba(clipped)[:, 1].tobytes()


def test_trees_of_one_leaf_and_pairs_of_equal_leaves_are_counted() -> None:
    rows = _matrix(ROWS_PER_COUNT, seed=8)
    split_values = [0, 0.0, 1.0]
    trees = [
        _tree([-1], [-1], [1.0]),
        _tree([-1], [-1], [0.0]),
        _tree([1, -1, -1], [2, -1, -1], split_values),
        _tree([1, -1, -1], [2, -1, -1], split_values[::-1]),
        _tree([1, -1, -1], [2, -1, -1], [0.0, 1.0, 1.0]),
        _tree([1, -1, 3, -1, -1], [2, -1, 4, -1, -1], [0, 1.0, 0, 0.0, 0.0]),
    ]
    forest = Forest(SimpleNamespace(estimators_=[SimpleNamespace(tree_=tree) for tree in trees]))
    assert BatchForest(forest)(rows).tobytes() == forest(rows).tobytes()


def _tree(left: list[int], right: list[int], values: list[float]) -> SimpleNamespace:
    """Return a tree whose nodes all compare column 0 with 0.25."""
    nodes = np.zeros(
        len(left),
        dtype=[
            ("left_child", "i8"),
            ("right_child", "i8"),
            ("feature", "i8"),
            ("threshold", "f8"),
            ("missing_go_to_left", "u1"),
        ],
    )
    nodes["left_child"] = left
    nodes["right_child"] = right
    nodes["threshold"] = 0.25
    value = np.zeros((len(left), 1, 2))
    value[:, 0, 1] = values
    return SimpleNamespace(value=value, __getstate__=lambda: {"nodes": nodes})
