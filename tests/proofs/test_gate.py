"""How often the gate is right: where two versions differ by luck only, and where one knows more."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.draws import FEATURES, SURVEY, draw, judged

SEED, DRAWS, USERS, TREES = 31, 200, 7_043, 60


def promotions(
    draws: int, users: int, challenger: Callable[[int], tuple[list[object], int]]
) -> tuple[int, list[float]]:
    """How many of `draws` end in a promotion, and the difference in AUC of each."""
    promoted, gains = 0, []
    for number in range(draws):
        one = draw(SEED * 1000 + number, users=users)
        features, seed = challenger(number)
        passed, auc = judged(
            one,
            one.answers(FEATURES, seed=number, trees=TREES),
            one.answers(features, seed=seed, trees=TREES),
        )
        promoted += passed
        gains.append(auc.difference)
    return promoted, gains


@pytest.mark.parametrize(
    ("what", "low", "high"), [("null", 0.0, 0.05), ("more informative", 0.8, 1.0)]
)
def test_promotions(what: str, low: float, high: float) -> None:
    features = list(FEATURES) if what == "null" else [*FEATURES, SURVEY]
    promoted, gains = promotions(DRAWS, USERS, lambda number: (features, number + 10_000))
    share = promoted / DRAWS
    print(
        f"\nseed {SEED}, {what}: {promoted} of {DRAWS} promoted ({share:.1%});"
        f" difference in AUC {np.mean(gains):+.4f}"
        f" (sd {np.std(gains):.4f}), {USERS:,} users, {TREES} trees"
    )
    assert low <= share <= high
    if what != "null":
        assert 0.025 <= np.mean(gains) <= 0.035
