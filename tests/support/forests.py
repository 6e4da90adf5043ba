"""Small forests of scikit-learn, and rows for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from streamflow.models.model_kind import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

WIDTH = 5


def simple_matrix(rows: int, seed: int) -> Floats:
    """Return rows of which one column has only the values 0 and 1, and one has few values."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, WIDTH))
    matrix[:, 1] = matrix[:, 1] > 0
    matrix[:, 2] = np.round(matrix[:, 2])
    return matrix


def fit_forest(trees: int, rows: Floats, leaf_size: int = 1) -> RandomForestClassifier:
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


def simple_tree(left: list[int], right: list[int], values: list[float]) -> SimpleNamespace:
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
