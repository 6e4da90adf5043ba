"""A forest that is prepared for requests gives few rows the bits of scikit-learn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from support.forests import WIDTH, fit_forest, simple_matrix, simple_tree

from streamflow.models import request_forest
from streamflow.models.batch_forest import BatchForest
from streamflow.models.portable.forest import Forest
from streamflow.models.request_forest import MAX_ROWS, RequestForest, prepare_for_requests


@pytest.mark.parametrize("trees", [1, 40])
@pytest.mark.parametrize("blocks", [(128,), (7,)])
def test_few_rows_get_the_bits_of_scikit_learn(
    trees: int,
    blocks: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_forest, "BLOCK_COUNTS", blocks)
    matrix = simple_matrix(900, seed=trees)
    fitted = fit_forest(trees, matrix[:600])
    forest = prepare_for_requests(BatchForest(Forest(fitted)))
    assert isinstance(forest, RequestForest)
    expected = fitted.predict_proba(matrix)[:, 1]
    for rows in (1, 2, MAX_ROWS, MAX_ROWS + 1):
        for first in range(0, len(matrix) - rows, 3 * rows):
            batch = slice(first, first + rows)
            assert forest(matrix[batch]).tobytes() == expected[batch].tobytes()


def test_values_at_a_threshold_go_where_scikit_learn_sends_them() -> None:
    fitted = fit_forest(30, simple_matrix(300, seed=5))
    forest = prepare_for_requests(BatchForest(Forest(fitted)))
    thresholds = np.concatenate([tree.tree_.threshold for tree in fitted.estimators_])
    matrix = np.random.default_rng(6).choice(thresholds, size=(MAX_ROWS, WIDTH))
    matrix[::3] = np.nextafter(matrix[::3], np.inf)
    matrix[1::7] = [0.0, -0.0, np.inf, -np.inf, 3e38]
    clipped = np.clip(matrix, -3e38, 3e38)  # scikit-learn takes no infinity
    assert forest(matrix).tobytes() == fitted.predict_proba(clipped)[:, 1].tobytes()


def test_rows_with_a_null_are_walked() -> None:
    matrix = simple_matrix(400, seed=2)
    matrix[np.random.default_rng(3).random(matrix.shape) < 0.1] = np.nan
    fitted = fit_forest(20, matrix)
    forest = prepare_for_requests(BatchForest(Forest(fitted)))
    for first in range(0, 400, 10):
        rows = matrix[first : first + 10]
        assert forest(rows).tobytes() == fitted.predict_proba(rows)[:, 1].tobytes()


def test_trees_of_one_leaf_vote_for_every_row() -> None:
    rows = simple_matrix(MAX_ROWS, seed=8)
    split_values = [0, 0.0, 1.0]
    trees = [
        simple_tree([-1], [-1], [1.0]),
        simple_tree([-1], [-1], [0.0]),
        simple_tree([1, -1, -1], [2, -1, -1], split_values),
        simple_tree([1, -1, 3, -1, -1], [2, -1, 4, -1, -1], [0, 1.0, 0, 0.0, 0.0]),
    ]
    walk = Forest(SimpleNamespace(estimators_=[SimpleNamespace(tree_=tree) for tree in trees]))
    forest = prepare_for_requests(BatchForest(walk))
    assert isinstance(forest, RequestForest)
    assert forest(rows).tobytes() == walk(rows).tobytes()


def test_a_forest_with_larger_leaves_or_too_many_of_them_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = simple_matrix(300, seed=1)
    large_leaves = BatchForest(Forest(fit_forest(5, matrix, leaf_size=7)))
    assert prepare_for_requests(large_leaves) is large_leaves
    monkeypatch.setattr(request_forest, "MAX_MASK_BYTES", 100)
    small_leaves = BatchForest(Forest(fit_forest(5, matrix)))
    assert prepare_for_requests(small_leaves) is small_leaves


def test_trees_without_a_split_stay_as_they_are() -> None:
    trees = [simple_tree([-1], [-1], [1.0]), simple_tree([-1], [-1], [0.0])]
    forest = BatchForest(
        Forest(SimpleNamespace(estimators_=[SimpleNamespace(tree_=tree) for tree in trees]))
    )
    assert prepare_for_requests(forest) is forest
