"""The metrics, against scikit-learn and against their own promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

from streamflow.core.statistics.curves import (
    calibration_points,
    precision_recall_points,
    roc_points,
)
from streamflow.core.statistics.metrics import (
    HoldoutMetrics,
    auc,
    auc_interval,
    evaluate,
    list_caveats,
)
from streamflow.errors import TrainingImpossible

Rows = tuple[NDArray[np.bool_], NDArray[np.float64]]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Labels of both classes, with many equal probabilities among the rows, 0 and 1 included."""
    pairs = draw(
        st.lists(
            st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
            min_size=2,
            max_size=60,
        )
    )
    label, probability = (np.array(column) for column in zip(*pairs, strict=True))
    label[0], label[1] = True, False
    return label, probability


def sample(n: int, *, seed: int, gap: float = 0.15) -> Rows:
    generator = np.random.default_rng(seed)
    label = generator.random(n) < 0.26
    return label, np.clip(generator.normal(0.3 + gap * label, 0.2), 0, 1)


@settings(deadline=None)  # the first call imports scikit-learn
@given(rows())
def test_every_score_is_that_of_scikit_learn(given_rows: Rows) -> None:
    label, probability = given_rows
    found = evaluate(label, probability, threshold=0.5, seed=1, draws=50)
    flagged = probability >= 0.5
    assert found.auc == pytest.approx(oracle.roc_auc_score(label, probability), abs=1e-12)
    assert found.f1 == pytest.approx(oracle.f1_score(label, flagged, zero_division=0.0))
    assert found.accuracy == pytest.approx(oracle.accuracy_score(label, flagged))
    assert found.precision == pytest.approx(
        oracle.precision_score(label, flagged, zero_division=0.0)
    )
    assert found.recall == pytest.approx(oracle.recall_score(label, flagged))
    assert found.holdout_rows == len(label)
    assert found.positives == label.sum()
    assert found.predicted_positives == flagged.sum()
    assert found.true_positives == (label & flagged).sum()
    false, true, _ = oracle.roc_curve(label, probability, drop_intermediate=False)
    assert np.allclose(roc_points(label, probability), (false, true))
    precision, recall, _ = oracle.precision_recall_curve(label, probability)
    ours_recall, ours_precision = precision_recall_points(label, probability)
    assert np.allclose(ours_recall, recall[-2::-1])
    assert np.allclose(ours_precision, precision[-2::-1])


@given(rows())
def test_the_order_of_rows_changes_nothing(given_rows: Rows) -> None:
    label, probability = given_rows
    assert auc(label, probability) == auc(label[::-1], probability[::-1])


def test_the_interval_is_seeded_and_covers_a_known_auc_as_often_as_it_says() -> None:
    label, probability = sample(800, seed=0)
    assert auc_interval(label, probability, seed=3, draws=200) == auc_interval(
        label, probability, seed=3, draws=200
    )
    assert auc_interval(label, probability, seed=3, draws=200) != auc_interval(
        label, probability, seed=4, draws=200
    )
    truth = auc(*sample(400_000, seed=99))
    intervals = [auc_interval(*sample(400, seed=seed), seed=seed, draws=200) for seed in range(200)]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert (
        0.90 <= covered <= 0.99
    )  # 0.95 within three standard deviations of 200 draws, and the bootstrap's small bias


@pytest.mark.parametrize(
    ("label", "named"),
    [([0, 0, 0], "3 rows with the label 0"), ([1, 1], "2 rows with the label 1"), ([], "no rows")],
)
def test_one_class_cannot_be_scored(label: list[int], named: str) -> None:
    with pytest.raises(TrainingImpossible, match=named):
        evaluate(np.array(label, int), np.full(len(label), 0.5), threshold=0.5, seed=0, draws=50)


@pytest.fixture
def fine() -> HoldoutMetrics:
    return evaluate(*sample(2_000, seed=5, gap=0.5), threshold=0.5, seed=0, draws=50)


def test_good_metrics_need_no_words(fine: HoldoutMetrics) -> None:
    assert list_caveats(fine) == []


def test_words_for_accuracy_below_the_majority_class(fine: HoldoutMetrics) -> None:
    [sentence] = list_caveats(replace(fine, accuracy=0.7513, majority_accuracy=0.7585))
    assert sentence.startswith(
        "Accuracy 0.7513 is below 0.7585, the accuracy of always predicting the majority class (0)"
    )
    assert (
        "majority class (1)"
        in list_caveats(
            replace(
                fine, accuracy=0.1, majority_accuracy=0.9, positives=1_900, true_positives=1_900
            )
        )[0]
    )


def test_words_for_a_threshold_that_finds_nobody(fine: HoldoutMetrics) -> None:
    [sentence] = list_caveats(replace(fine, f1=0.0641, true_positives=15, positives=425))
    assert "finds 15 of 425 positives" in sentence


def test_words_for_chance(fine: HoldoutMetrics) -> None:
    assert (
        "is not clearly different from chance"
        in list_caveats(replace(fine, auc=0.51, auc_low=0.48, auc_high=0.54))[0]
    )
    assert "reversed" in list_caveats(replace(fine, auc=0.4, auc_low=0.37, auc_high=0.43))[0]


def test_calibration_holds_every_row_once_even_when_all_probabilities_are_equal() -> None:
    label, probability = sample(1_003, seed=8)
    assert calibration_points(label, probability)[2].sum() == 1_003
    predicted, observed, counts = calibration_points(np.array([0, 1, 1, 1]), np.full(4, 0.3))
    assert (predicted.tolist(), observed.tolist(), counts.tolist()) == (
        [pytest.approx(0.3)],
        [0.75],
        [4],
    )
