"""How good a model is on rows that it has not seen, with the uncertainty of that, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.errors import TrainingImpossible

Floats = NDArray[np.float64]
Labels = NDArray[np.integer] | NDArray[np.bool_]

LEVEL = 0.95  # of the bootstrap interval: the usual convention
FOUND_TOO_FEW = 0.1  # share of positives found, below which F1 speaks of the threshold, not of the model: our convention


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Scores on the hold-out.

    auc_low, auc_high  the 95 % bootstrap interval of auc     majority_accuracy  that of always answering the larger class
    threshold          the probability from which on the prediction is 1
    found, flagged     positives with prediction 1 / all rows with prediction 1
    """

    auc: float
    auc_low: float
    auc_high: float
    f1: float
    accuracy: float
    majority_accuracy: float
    average_precision: float
    brier: float
    log_loss: float
    rows: int
    positives: int
    found: int
    flagged: int
    threshold: float


def evaluate(
    label: Labels, probability: Floats, *, threshold: float, seed: int, draws: int
) -> Metrics:
    """Score `probability` against `label` (1 or true is positive), both (n,).

    log_loss takes a probability of exactly 0 or 1 as one float step inside. Raises TrainingImpossible when the rows hold one
    class only.

    >>> m = evaluate(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]), threshold=0.5, seed=0, draws=50)
    >>> m.auc, m.f1, m.accuracy, m.majority_accuracy, m.found
    (0.75, 0.5, 0.5, 0.5, 1)
    """
    from sklearn import (
        metrics as scores,
    )  # 2 s to import: not for whoever only names the class Metrics

    positive = _both_classes(label)
    flagged = probability >= threshold
    low, high = auc_interval(positive, probability, seed=seed, draws=draws)
    return Metrics(
        auc=auc(positive, probability),
        auc_low=low,
        auc_high=high,
        f1=float(scores.f1_score(positive, flagged, zero_division=0.0)),
        accuracy=float((positive == flagged).mean()),
        majority_accuracy=float(max(positive.mean(), 1 - positive.mean())),
        average_precision=float(scores.average_precision_score(positive, probability)),
        brier=float(scores.brier_score_loss(positive, probability)),
        log_loss=float(scores.log_loss(positive, probability)),
        rows=len(positive),
        positives=int(positive.sum()),
        found=int((positive & flagged).sum()),
        flagged=int(flagged.sum()),
        threshold=threshold,
    )


def _both_classes(label: Labels) -> NDArray[np.bool_]:
    positive = np.asarray(label).astype(bool)
    if len(positive) == 0:
        raise TrainingImpossible("the hold-out has no rows; no score can be computed", rows=0)
    if positive.all() or not positive.any():
        only = int(positive[0])
        raise TrainingImpossible(
            f"the hold-out holds one class only: the label of all its {len(positive)} rows is {only}",
            rows=len(positive),
            only_class=only,
        )
    return positive


def auc(label: Labels, probability: Floats) -> float:
    """The probability that a positive scores above a negative, ties counting half.

    >>> auc(np.array([0, 1, 0, 1]), np.array([0.2, 0.2, 0.1, 0.9]))
    0.875
    """
    _, group = np.unique(probability, return_inverse=True)
    positive = np.asarray(label).astype(bool)
    return _auc_of_groups(group[positive], group[~positive], int(group.max()) + 1)


def _auc_of_groups(positives: NDArray[np.intp], negatives: NDArray[np.intp], groups: int) -> float:
    """AUC of rows given by the rank of their score, equal scores sharing a rank below `groups`."""
    of_negatives = np.bincount(negatives, minlength=groups)
    below = (
        np.cumsum(of_negatives) - of_negatives / 2
    )  # negatives that a positive of this rank beats
    return float(below[positives].sum() / (len(positives) * len(negatives)))


def auc_interval(
    label: Labels, probability: Floats, *, seed: int, draws: int
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of AUC.

    Stratified: each draw takes as many positives and as many negatives as there are, so that no draw lacks a class. It is the
    uncertainty of these rows, not that of training again.

    >>> label, probability = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.6, 0.5, 0.7, 0.9])
    >>> low, high = auc_interval(label, probability, seed=1, draws=200)
    >>> low < auc(label, probability) <= high <= 1.0
    True
    """
    generator = np.random.default_rng(seed)
    _, group = np.unique(probability, return_inverse=True)
    positive, groups = np.asarray(label).astype(bool), int(group.max()) + 1
    positives, negatives = group[positive], group[~positive]
    drawn = [
        _auc_of_groups(_resampled(positives, generator), _resampled(negatives, generator), groups)
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled(rows: NDArray[np.intp], generator: np.random.Generator) -> NDArray[np.intp]:
    return rows[generator.integers(0, len(rows), len(rows))]


def in_words(metrics: Metrics) -> list[str]:
    """What a reader of the numbers alone could miss; empty when they speak for themselves.

    >>> m = evaluate(np.array([0, 0, 0, 1]), np.array([0.1, 0.6, 0.7, 0.4]), threshold=0.5, seed=0, draws=50)
    >>> for sentence in in_words(m): print(sentence)
    Accuracy 0.2500 is below the 0.7500 of always answering the majority class, 0: judge this model by its ranking (AUC).
    AUC 0.3333 (95 % interval 0.0000..1.0000) cannot be told from chance, 0.5.
    F1 0.0000 is that of the threshold: at 0.5 the model finds 0 of 1 positives; the setting 'threshold' moves it.
    """
    m = metrics
    sentences = []
    if m.accuracy < m.majority_accuracy:
        larger = int(m.positives * 2 > m.rows)
        sentences.append(
            f"Accuracy {m.accuracy:.4f} is below the {m.majority_accuracy:.4f} of always answering the majority class, {larger}:"
            " judge this model by its ranking (AUC)."
        )
    interval = f"AUC {m.auc:.4f} (95 % interval {m.auc_low:.4f}..{m.auc_high:.4f})"
    if m.auc_high < 0.5:
        sentences.append(f"{interval} is below 0.5: the ranking is reversed on these rows.")
    elif m.auc_low <= 0.5:
        sentences.append(f"{interval} cannot be told from chance, 0.5.")
    if m.found < FOUND_TOO_FEW * m.positives:
        sentences.append(
            f"F1 {m.f1:.4f} is that of the threshold: at {m.threshold:g} the model finds {m.found} of {m.positives} positives;"
            " the setting 'threshold' moves it."
        )
    return sentences


def roc_points(label: Labels, probability: Floats) -> tuple[Floats, Floats]:
    """False and true positive rate, each (k,) from 0 to 1, one point per distinct probability.

    >>> [p.tolist() for p in roc_points(np.array([0, 1]), np.array([0.2, 0.8]))]
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    true, false = _cumulated(label, probability)
    return np.r_[0.0, false / false[-1]], np.r_[0.0, true / true[-1]]


def precision_recall_points(label: Labels, probability: Floats) -> tuple[Floats, Floats]:
    """Recall and precision, each (k,), by falling threshold.

    >>> [p.tolist() for p in precision_recall_points(np.array([0, 1]), np.array([0.2, 0.8]))]
    [[1.0, 1.0], [1.0, 0.5]]
    """
    true, false = _cumulated(label, probability)
    return true / true[-1], true / (true + false)


def _cumulated(label: Labels, probability: Floats) -> tuple[Floats, Floats]:
    """Positives and negatives at or above each distinct probability, from the highest down."""
    order = np.argsort(-probability, kind="stable")
    positive = np.asarray(label).astype(bool)[order]
    last_of_equals = np.r_[np.flatnonzero(np.diff(probability[order])), len(order) - 1]
    return np.cumsum(positive)[last_of_equals].astype(float), np.cumsum(~positive)[
        last_of_equals
    ].astype(float)


def calibration_points(
    label: Labels, probability: Floats, *, bins: int = 10
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Mean probability, share of positives and rows of each of `bins` equally filled bins; empty ones are left out.

    >>> [p.tolist() for p in calibration_points(np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.8, 1.0]), bins=2)]
    [[0.2, 0.9], [0.5, 1.0], [2, 2]]
    """
    inner = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(inner, probability, side="right")
    rows = np.bincount(place, minlength=bins)
    filled = rows > 0
    predicted = np.bincount(place, probability, bins)[filled] / rows[filled]
    observed = np.bincount(place, np.asarray(label).astype(float), bins)[filled] / rows[filled]
    return predicted, observed, rows[filled]
