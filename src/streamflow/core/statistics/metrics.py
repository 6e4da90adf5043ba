"""How well a model predicts rows that it has not seen, with the uncertainty of each number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of
from streamflow.core.statistics.threshold import Threshold, flag_rows
from streamflow.errors import TrainingImpossible

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.integer] | Flags
Ranks = NDArray[np.intp]  # (n,) the rank of each score, from 0; equal scores share a rank

# The level of the bootstrap interval: the usual convention.
LEVEL = 0.95

# If recall is lower, F1 depends on the threshold more than on the model: our convention.
LOW_RECALL = 0.1


@dataclass(frozen=True, kw_only=True)
class HoldoutMetrics:
    """The scores of a model on the hold-out.

    auc_low, auc_high  the 95 % bootstrap interval of auc
    majority_accuracy  the accuracy of always predicting the larger class
    precision          the share of true positives among the predicted positives; 0 without any
    recall             the share of true positives among the positives
    true_positives     positives with prediction 1
    predicted_positives  all rows with prediction 1
    threshold          the probability from which the prediction is 1; None: no row is predicted
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
    precision: float
    recall: float
    holdout_rows: int
    positives: int
    true_positives: int
    predicted_positives: int
    threshold: Threshold


def evaluate(
    label: Labels, probability: Floats, *, threshold: Threshold, seed: int, draws: int
) -> HoldoutMetrics:
    """Compare predicted probabilities (n,) with the labels (n,); 1 or true is positive.

    The log loss replaces a probability of exactly 0 or 1 by the nearest float between them.
    `seed` and `draws` are those of the bootstrap. Raises TrainingImpossible without both classes.

    >>> label, probability = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    >>> metrics = evaluate(label, probability, threshold=0.5, seed=0, draws=50)
    >>> metrics.auc, metrics.f1, metrics.accuracy, metrics.majority_accuracy
    (0.75, 0.5, 0.5, 0.5)
    >>> metrics.precision, metrics.recall, metrics.true_positives, metrics.predicted_positives
    (0.5, 0.5, 1, 2)
    """
    # This import takes 2 s: modules that only name the class Metrics must not wait for it.
    from sklearn import metrics as scores

    is_positive = _require_both_classes(label)
    is_predicted = flag_rows(probability, threshold)
    positives = int(is_positive.sum())
    true_positives = int((is_positive & is_predicted).sum())
    predicted_positives = int(is_predicted.sum())
    low, high = auc_interval(is_positive, probability, seed=seed, draws=draws)
    positive_share = is_positive.mean()
    return HoldoutMetrics(
        auc=auc(is_positive, probability),
        auc_low=low,
        auc_high=high,
        f1=float(scores.f1_score(is_positive, is_predicted, zero_division=0.0)),
        accuracy=float((is_positive == is_predicted).mean()),
        majority_accuracy=float(max(positive_share, 1 - positive_share)),
        average_precision=float(scores.average_precision_score(is_positive, probability)),
        brier=float(scores.brier_score_loss(is_positive, probability)),
        log_loss=float(scores.log_loss(is_positive, probability)),
        precision=share_of(true_positives, predicted_positives),
        recall=share_of(true_positives, positives),
        holdout_rows=len(is_positive),
        positives=positives,
        true_positives=true_positives,
        predicted_positives=predicted_positives,
        threshold=threshold,
    )


def share_of(count: float, total: float) -> float:
    """Return the share of a count in a total; 0 when the total is 0."""
    return count / total if total else 0.0


def _require_both_classes(label: Labels) -> Flags:
    """Return which rows are positive; raise TrainingImpossible unless there are both classes."""
    is_positive = _as_flags(label)
    rows = len(is_positive)
    if rows == 0:
        raise TrainingImpossible("the hold-out has no rows; no score can be computed", rows=0)
    if is_positive.all() or not is_positive.any():
        only_class = int(is_positive[0])
        raise TrainingImpossible(
            f"the hold-out has one class only: {count_of(rows, 'row')} with the label {only_class}",
            rows=rows,
            only_class=only_class,
        )
    return is_positive


def _as_flags(label: Labels) -> Flags:
    return np.asarray(label).astype(bool)


def auc(label: Labels, probability: Floats) -> float:
    """Return the probability that a positive scores above a negative; a tie counts half.

    >>> auc(np.array([0, 1, 0, 1]), np.array([0.2, 0.2, 0.1, 0.9]))
    0.875
    """
    ranks, rank_count = _rank_scores(probability)
    is_positive = _as_flags(label)
    return _auc_of_ranks(ranks[is_positive], ranks[~is_positive], rank_count)


def _rank_scores(probability: Floats) -> tuple[Ranks, int]:
    """Return the rank of each score from 0, and the number of ranks; equal scores share a rank."""
    _, ranks = np.unique(probability, return_inverse=True)
    return ranks, int(ranks.max()) + 1


def _auc_of_ranks(positives: Ranks, negatives: Ranks, rank_count: int) -> float:
    """Return AUC from the ranks of the positives and of the negatives, all below `rank_count`."""
    negatives_per_rank = np.bincount(negatives, minlength=rank_count)
    # For each rank: how many negatives a positive of this rank beats.
    beaten_negatives = np.cumsum(negatives_per_rank) - negatives_per_rank / 2
    pairs = len(positives) * len(negatives)
    return float(beaten_negatives[positives].sum() / pairs)


def auc_interval(
    label: Labels,
    probability: Floats,
    *,
    seed: int,
    draws: int,
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of AUC.

    The bootstrap is stratified: each draw takes as many positives and as many negatives as there
    are. The interval shows the uncertainty of these rows, not the one of training again.

    >>> label = np.array([0, 0, 0, 1, 1, 1])
    >>> probability = np.array([0.1, 0.2, 0.6, 0.5, 0.7, 0.9])
    >>> low, high = auc_interval(label, probability, seed=1, draws=200)
    >>> low < auc(label, probability) <= high <= 1.0
    True
    """
    generator = np.random.default_rng(seed)
    ranks, rank_count = _rank_scores(probability)
    is_positive = _as_flags(label)
    positives = ranks[is_positive]
    negatives = ranks[~is_positive]
    aucs = []
    for _ in range(draws):
        # The order of the two draws decides the result.
        drawn_positives = _resample(positives, generator)
        drawn_negatives = _resample(negatives, generator)
        aucs.append(_auc_of_ranks(drawn_positives, drawn_negatives, rank_count))
    quantiles = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(aucs, quantiles)
    return float(low), float(high)


def _resample(rows: Ranks, generator: np.random.Generator) -> Ranks:
    drawn = generator.integers(0, len(rows), len(rows))
    return rows[drawn]


def list_caveats(metrics: HoldoutMetrics) -> list[str]:
    r"""Tell what a reader of the numbers could miss; the list is empty when the numbers suffice.

    >>> label, probability = np.array([0, 0, 0, 1]), np.array([0.1, 0.6, 0.7, 0.4])
    >>> metrics = evaluate(label, probability, threshold=0.5, seed=0, draws=50)
    >>> accuracy, ranking, threshold = list_caveats(metrics)
    >>> print(accuracy.replace(": ", ":\n"))
    Accuracy 0.2500 is below 0.7500, the accuracy of always predicting the majority class (0):
    judge this model by its ranking (AUC).
    >>> print(ranking)
    AUC 0.3333 (95 % interval 0.0000..1.0000) is not clearly different from chance (0.5).
    >>> print(threshold.replace("; ", ";\n"))
    F1 0.0000 depends on the threshold: at 0.5 the model finds 0 of 1 positives;
    the setting 'threshold' changes it.
    """
    return list(_find_caveats(metrics))


def _find_caveats(metrics: HoldoutMetrics) -> Iterator[str]:
    if metrics.accuracy < metrics.majority_accuracy:
        majority_class = int(metrics.positives * 2 > metrics.holdout_rows)
        yield (
            f"Accuracy {metrics.accuracy:.4f} is below {metrics.majority_accuracy:.4f}, "
            f"the accuracy of always predicting the majority class ({majority_class}): "
            "judge this model by its ranking (AUC)."
        )
    interval = (
        f"AUC {metrics.auc:.4f} (95 % interval {metrics.auc_low:.4f}..{metrics.auc_high:.4f})"
    )
    if metrics.auc_high < 0.5:
        yield f"{interval} is below 0.5: the ranking is reversed on these rows."
    elif metrics.auc_low <= 0.5:
        yield f"{interval} is not clearly different from chance (0.5)."
    if metrics.threshold is None:
        return  # nobody is flagged: it is said beside the decision
    if metrics.true_positives < LOW_RECALL * metrics.positives:
        yield (
            f"F1 {metrics.f1:.4f} depends on the threshold: at {metrics.threshold:g} "
            f"the model finds {metrics.true_positives} of {metrics.positives} positives; "
            "the setting 'threshold' changes it."
        )
