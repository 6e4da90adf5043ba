"""A version is worth something when it tells more than the base rate."""

from __future__ import annotations

import numpy as np
import pytest

from streamflow.core.promotion.base_rate import judge_base_rate
from streamflow.core.promotion.gate import GatePolicy

POLICY = GatePolicy(
    rule="paired-bootstrap",
    metric="auc",
    margin=0.0,
    confidence=0.95,
    draws=200,
    seed=1,
    min_rows=50,
)


def draw(seed: int, *, rows: int = 2_000, base: float = -2.0, effect: float = 1.0):
    """Labels, and the true probability by which they were drawn."""
    generator = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(-(base + effect * generator.normal(size=rows))))
    return (generator.random(rows) < truth).astype(np.int8), truth


def test_the_true_probability_is_worth_something_also_where_one_in_a_hundred_leaves() -> None:
    for seed in range(10):
        label, truth = draw(seed)
        assert judge_base_rate(label, truth, POLICY).passed
    label, truth = draw(1, rows=20_000, base=-5.0)
    assert 0.005 < label.mean() < 0.015
    assert judge_base_rate(label, truth, POLICY).passed


def test_noise_is_refused() -> None:
    passed = 0
    for seed in range(40):
        label, _ = draw(seed)
        noise = label.mean() + np.random.default_rng(seed + 1_000).normal(0, 0.02, len(label))
        passed += judge_base_rate(label, noise, POLICY).passed
    assert passed <= 2


def test_a_ranking_without_a_true_level_is_refused() -> None:
    label, truth = draw(3)
    condition = judge_base_rate(label, np.sqrt(truth), POLICY)
    assert not condition.passed
    assert "is above 0.5, Brier score" in condition.evidence
    assert "is not below" in condition.evidence


@pytest.mark.parametrize("positives", [9, 91])
def test_too_few_rows_of_a_class_prove_nothing(positives: int) -> None:
    label = (np.arange(100) < positives).astype(np.int8)
    condition = judge_base_rate(label, label.astype(float), POLICY)
    assert not condition.passed
    assert "too few to show that the version is better" in condition.evidence
