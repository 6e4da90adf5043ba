"""A forest gives many rows the bits of scikit-learn, whether they are walked or counted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from support.forests import WIDTH, fit_forest, simple_matrix, simple_tree

from streamflow.models import batch_forest
from streamflow.models.batch_forest import ROWS_PER_COUNT, BatchForest
from streamflow.models.forest_parts import choose_cuts, make_part, whole_forest
from streamflow.models.portable.forest import ROWS_PER_BATCH, Forest


@pytest.mark.parametrize("trees", [1, 21])
@pytest.mark.parametrize("leaf_size", [1, 7])
@pytest.mark.parametrize("null_share", [0.0, 0.1])
def test_many_rows_get_the_bits_of_scikit_learn(
    trees: int,
    leaf_size: int,
    null_share: float,
) -> None:
    matrix = simple_matrix(2 * ROWS_PER_COUNT + 77, seed=trees)
    matrix[np.random.default_rng(3).random(matrix.shape) < null_share] = np.nan
    fitted = fit_forest(trees, matrix[:300], leaf_size)
    forest = BatchForest(Forest(fitted))
    expected = fitted.predict_proba(matrix)[:, 1]
    for rows in (1, ROWS_PER_BATCH, ROWS_PER_BATCH + 1, ROWS_PER_COUNT, len(matrix)):
        assert forest(matrix[:rows]).tobytes() == expected[:rows].tobytes()


def test_values_at_a_threshold_go_where_scikit_learn_sends_them() -> None:
    fitted = fit_forest(30, simple_matrix(300, seed=5))
    thresholds = np.concatenate([tree.tree_.threshold for tree in fitted.estimators_])
    matrix = np.random.default_rng(6).choice(thresholds, size=(ROWS_PER_COUNT, WIDTH))
    matrix[::3] = np.nextafter(matrix[::3], np.inf)
    matrix[1::7] = [0.0, -0.0, np.inf, -np.inf, 3e38]
    answers = BatchForest(Forest(fitted))(matrix)
    clipped = np.clip(matrix, -3e38, 3e38)  # scikit-learn takes no infinity
    assert answers.tobytes() == fitted.predict_proba(clipped)[:, 1].tobytes()


def test_trees_of_one_leaf_and_pairs_of_equal_leaves_are_counted() -> None:
    rows = simple_matrix(ROWS_PER_COUNT, seed=8)
    split_values = [0, 0.0, 1.0]
    trees = [
        simple_tree([-1], [-1], [1.0]),
        simple_tree([-1], [-1], [0.0]),
        simple_tree([1, -1, -1], [2, -1, -1], split_values),
        simple_tree([1, -1, -1], [2, -1, -1], split_values[::-1]),
        simple_tree([1, -1, -1], [2, -1, -1], [0.0, 1.0, 1.0]),
        simple_tree([1, -1, 3, -1, -1], [2, -1, 4, -1, -1], [0, 1.0, 0, 0.0, 0.0]),
    ]
    forest = Forest(SimpleNamespace(estimators_=[SimpleNamespace(tree_=tree) for tree in trees]))
    assert BatchForest(forest)(rows).tobytes() == forest(rows).tobytes()


def test_the_parts_of_a_forest_give_the_bits_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_forest, "ROWS_BEFORE_PARTS", ROWS_PER_COUNT)
    fitted = fit_forest(30, simple_matrix(300, seed=9))
    thresholds = np.concatenate([tree.tree_.threshold for tree in fitted.estimators_])
    rows = simple_matrix(batch_forest.ROWS_FOR_PARTS, seed=10)
    rows[::2] = np.random.default_rng(11).choice(thresholds, size=rows[::2].shape)
    rows[1::9] = np.nextafter(rows[1::9].astype(np.float32), np.float32(np.inf))
    forest = BatchForest(Forest(fitted))
    expected = fitted.predict_proba(rows)[:, 1]
    # The first call counts the whole forest, the next one its parts.
    for part in (slice(0, ROWS_PER_COUNT), slice(0, len(rows))):
        assert forest(rows[part]).tobytes() == expected[part].tobytes()


def test_parts_have_fewer_nodes_than_the_forest() -> None:
    trees = whole_forest(Forest(fit_forest(30, simple_matrix(300, seed=12))))
    cuts = choose_cuts(trees)
    assert len(cuts) == len({cut.column for cut in cuts}) > 1
    counts = [make_part(trees, cuts, number).count_nodes() for number in range(2 ** len(cuts))]
    assert max(counts) < 0.8 * trees.count_nodes()


def test_trees_of_one_leaf_have_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_forest, "ROWS_BEFORE_PARTS", 0)
    leaves = [simple_tree([-1], [-1], [1.0]), simple_tree([-1], [-1], [0.0])]
    forest = Forest(SimpleNamespace(estimators_=[SimpleNamespace(tree_=tree) for tree in leaves]))
    rows = simple_matrix(batch_forest.ROWS_FOR_PARTS, seed=13)
    assert BatchForest(forest)(rows).tolist() == [0.5] * len(rows)
