"""Many rows get the contributions that each of them gets alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.forests import WIDTH, fit_forest, simple_matrix

from streamflow.models import pattern_shap, pattern_tables, tree_shap
from streamflow.models.model_kind import Contributions, Floats, Tree
from streamflow.models.pattern_shap import MIN_ROWS
from streamflow.models.tree_shap import TreeShap

ROWS = MIN_ROWS + 30


@cache
def _rows_and_trees(leaf_size: int) -> tuple[Floats, list[Tree]]:
    matrix = simple_matrix(ROWS, seed=leaf_size)
    matrix[np.random.default_rng(3).random(matrix.shape) < 0.1] = np.nan
    matrix = matrix.astype(np.float32).astype(np.float64)  # as the forest compares them
    fitted = fit_forest(12, matrix[:200], leaf_size)
    trees = [
        Tree(
            left_child=tree.children_left,
            right_child=tree.children_right,
            column=tree.feature,
            threshold=tree.threshold,
            null_left=tree.missing_go_to_left.astype(bool),
            rows=tree.n_node_samples,
            value=tree.value[:, 0, 1],
        )
        for tree in (estimator.tree_ for estimator in fitted.estimators_)
    ]
    return matrix, trees


def _require_equal(many: Contributions, alone: Contributions) -> None:
    rows = len(alone.margin)
    assert many.base == alone.base
    assert np.abs(many.columns[:rows] - alone.columns).max() < 1e-6
    assert np.abs(many.margin[:rows] - alone.margin).max() < 1e-12
    assert np.abs(many.base + many.columns.sum(axis=1) - many.margin).max() < 1e-6


@pytest.mark.parametrize("leaf_size", [1, 7])
def test_many_rows_get_what_each_gets_alone(leaf_size: int) -> None:
    matrix, trees = _rows_and_trees(leaf_size)
    shap = TreeShap(trees, WIDTH)
    many = shap.compute(matrix)
    _require_equal(many, shap.compute(matrix[:60]))
    assert np.abs(many.columns).max() > 0.1


def test_a_tree_with_a_long_path_is_computed_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, trees = _rows_and_trees(1)
    monkeypatch.setattr(tree_shap, "NODES_PER_GROUP", 1)
    stump = Tree(
        left_child=np.array([1, -1, -1]),
        right_child=np.array([2, -1, -1]),
        column=np.array([3, -2, -2]),
        threshold=np.array([0.2, 0.0, 0.0]),
        null_left=np.array([True, False, False]),
        rows=np.array([200, 50, 150]),
        value=np.array([0.5, 0.25, 0.75]),
    )
    shap = TreeShap([*trees[:2], stump], WIDTH)
    alone = shap.compute(matrix[:20])
    monkeypatch.setattr(pattern_tables, "MAX_COLUMNS", 1)
    _require_equal(shap.compute(matrix), alone)


def test_neither_the_rows_beside_it_nor_the_threads_change_the_bits_of_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix, trees = _rows_and_trees(1)
    shap = TreeShap(trees, WIDTH)
    monkeypatch.setattr(tree_shap, "count_processors", lambda: 3)
    expected = shap.compute(matrix).columns
    monkeypatch.setattr(tree_shap, "count_processors", lambda: 1)
    monkeypatch.setattr(pattern_shap, "ROWS_PER_LOOK_UP", 7)
    backwards = shap.compute(matrix[::-1]).columns
    assert backwards[::-1].tobytes() == expected.tobytes()


def test_trees_of_one_leaf_add_nothing() -> None:
    leaf = Tree(
        left_child=np.array([-1]),
        right_child=np.array([-1]),
        column=np.array([-2]),
        threshold=np.array([0.0]),
        null_left=np.array([False]),
        rows=np.array([200]),
        value=np.array([0.25]),
    )
    matrix, _ = _rows_and_trees(1)
    answer = TreeShap([leaf, leaf], WIDTH).compute(matrix)
    assert not answer.columns.any()
    assert (answer.base, set(answer.margin)) == (0.5, {0.5})
