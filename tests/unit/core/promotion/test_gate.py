"""The gate's arithmetic against scikit-learn, and its verdicts for few cases.

tests/proofs/test_gate.py counts hundreds of draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as stock
from support.draws import FEATURES, MONEY, POLICY, SURVEY, draw, judged

from streamflow.core.promotion.gate import (
    METRICS,
    MetricComparison,
    VersionAnswers,
    _Scorer,
    compare_metrics,
    judge_comparison,
    should_promote,
)


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_scores_are_those_of_scikit_learn(ties: bool) -> None:
    generator = np.random.default_rng(3)
    label = generator.random(300) < 0.3
    probability = generator.random(300).round(1 if ties else 12)
    weight = generator.integers(0, 4, 300).astype(float)
    found = dict(
        zip(
            METRICS,
            _Scorer(label, VersionAnswers(probability=probability, threshold=0.6), MONEY).scores(
                weight
            ),
            strict=True,
        )
    )
    assert found["auc"] == pytest.approx(
        stock.roc_auc_score(label, probability, sample_weight=weight), abs=1e-12
    )
    assert found["average_precision"] == pytest.approx(
        stock.average_precision_score(label, probability, sample_weight=weight)
    )
    assert found["brier"] == pytest.approx(
        stock.brier_score_loss(label, probability, sample_weight=weight)
    )
    brought = np.where(probability >= 0.6, 0.3 * 200 * label - 20, 0.0)
    assert found["value"] == pytest.approx(np.average(brought, weights=weight))


def test_a_better_version_is_better_by_every_metric_and_the_other_way_round() -> None:
    generator = np.random.default_rng(4)
    truth = generator.beta(2, 5, 4_000)
    label = generator.random(4_000) < truth
    good = VersionAnswers(probability=truth, threshold=1 / 3)
    bad = VersionAnswers(probability=generator.permutation(truth), threshold=1 / 3)
    forth, back = (
        compare_metrics(label, bad, good, MONEY, POLICY),
        compare_metrics(label, good, bad, MONEY, POLICY),
    )
    assert [c.metric for c in forth] == list(METRICS)
    assert all(0 < c.low < c.difference < c.high for c in forth)
    assert [(c.low, c.high) for c in back] == [
        (pytest.approx(-c.high), pytest.approx(-c.low)) for c in forth
    ]
    assert compare_metrics(label, bad, good, MONEY, POLICY) == forth
    for metric in METRICS:
        assert judge_comparison(forth, replace(POLICY, metric=metric)).passed
        assert not judge_comparison(back, replace(POLICY, metric=metric)).passed
        assert not judge_comparison(forth, replace(POLICY, metric=metric, margin=1_000)).passed


def test_05_the_margin_of_the_reference_is_below_the_noise_and_the_interval_is_not() -> None:
    """Trap 5: forests that differ by their seed only.

    By point estimate about half of them are promoted without a margin.
    """
    kept = [draw(500 + n, users=1_500) for n in range(12)]
    verdicts = [
        judged(one, *(one.answers(FEATURES, seed=seed, trees=20) for seed in (1, 2)))
        for one in kept
    ]
    by_reference = [should_promote(auc.challenger, auc.champion, 0.0) for _, auc in verdicts]
    assert 2 <= sum(by_reference) <= 10
    assert sum(passed for passed, _ in verdicts) <= 2
    point = replace(POLICY, rule="point-estimate")
    assert [judge_comparison((auc,), point).passed for _, auc in verdicts] == by_reference


def test_a_version_that_knows_more_is_promoted() -> None:
    verdicts = []
    for number in range(4):
        one = draw(700 + number, users=7_043)
        verdicts.append(
            judged(
                one, *(one.answers(f, seed=1, trees=20) for f in (FEATURES, [*FEATURES, SURVEY]))
            )
        )
    assert sum(passed for passed, _ in verdicts) >= 3


@pytest.mark.parametrize(
    ("confidence", "words"), [(0.95, " 95% interval"), (0.975, " 97.5% "), (0.999, " 99.9% ")]
)
def test_the_evidence_names_the_confidence_as_it_is(confidence: float, words: str) -> None:
    result = MetricComparison(
        metric="auc", champion=0.7, challenger=0.8, difference=0.1, low=0.05, high=0.15
    )
    policy = replace(POLICY, metric="auc", confidence=confidence)
    assert words in judge_comparison((result,), policy).evidence


def test_the_reference_rule_takes_the_place_of_nobody_and_of_nan() -> None:
    assert should_promote(0.1, None, 0.5)
    assert should_promote(0.1, float("nan"), 0.5)
    assert not should_promote(0.8, 0.8, 0.0)
    assert should_promote(0.811, 0.8, 0.01)
