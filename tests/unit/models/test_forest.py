"""Walking a forest level by level gives its exact bits, for any number of trees and rows."""

from __future__ import annotations

import numpy as np
import pytest

from streamflow.models.portable.forest import ROWS_PER_BATCH, Forest


@pytest.mark.parametrize("trees", [1, 2, 7, 16])
@pytest.mark.parametrize("nulls", [False, True])
def test_it_has_the_bits_of_the_forest_one_by_one_and_in_batches(trees: int, nulls: bool) -> None:
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(trees)
    matrix = random.normal(size=(ROWS_PER_BATCH * 2 + 3, 5))
    label = matrix[:, 0] + random.normal(size=len(matrix)) > 0
    if nulls:
        matrix[random.random(matrix.shape) < 0.2] = np.nan
    forest = RandomForestClassifier(trees, class_weight="balanced", random_state=42).fit(
        matrix[::2], label[::2].astype(int)
    )
    expected = forest.predict_proba(matrix)[:, 1]
    ours = Forest(forest)
    assert ours(matrix).tobytes() == expected.tobytes()
    assert all(ours(matrix[i : i + 1])[0] == expected[i] for i in range(200))


def test_a_forest_of_leaves_alone_answers_too() -> None:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(3, random_state=1).fit(np.zeros((8, 2)), np.arange(8) % 2)
    assert [tree.tree_.node_count for tree in forest.estimators_] == [1, 1, 1]
    rows = np.arange(6.0).reshape(3, 2)
    assert Forest(forest)(rows).tobytes() == forest.predict_proba(rows)[:, 1].tobytes()
