"""The gate: what a challenger has to show before it may replace the champion.

The sentences of `GateCondition.evidence` are stored in the ledger, whose hashes cover them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.statistics.threshold import Threshold, flag_rows
from streamflow.core.training.calibration import Labels
from streamflow.core.training.decision import Economics

Floats = NDArray[np.float64]
Metric = Literal["auc", "average_precision", "brier", "value"]
METRICS: tuple[Metric, ...] = ("auc", "average_precision", "brier", "value")
# Rows of each class. With fewer rows no interval is useful: our convention.
MIN_PER_CLASS = 10


@dataclass(frozen=True, kw_only=True)
class GatePolicy:
    """The rule that decides between two versions.

    Attributes:
        rule: With "paired-bootstrap" the lower end of the interval of the difference must be above
            the margin. With "point-estimate", the reference's rule, the difference itself must be.
        confidence: Of the two-sided interval.
        min_rows: Rows that neither version was trained on. With fewer rows nothing is compared.
    """

    rule: Literal["paired-bootstrap", "point-estimate"]
    metric: Metric
    margin: float
    confidence: float
    draws: int
    seed: int
    min_rows: int


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric of both versions on the same rows.

    Attributes:
        difference: Positive where the challenger is better, for the Brier score too.
        low: The lower end of the interval of the difference.
        high: The upper end of that interval.
    """

    metric: Metric
    champion: float
    challenger: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class GateCondition:
    """One condition, whether it is met, and the evidence for that."""

    name: str
    passed: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class VersionAnswers:
    """The answers of one version for the compared rows.

    Attributes:
        probability: (n,).
        threshold: From this probability on the prediction is 1; None: it never is.
    """

    probability: Floats
    threshold: Threshold


def should_promote(new: float, champion: float | None, delta: float) -> bool:
    """Decide by the rule of the reference system.

    Returns:
        True without a champion, or when the champion's score is NaN. Else whether the new score is
        above the champion's score by more than `delta`.

    >>> should_promote(0.8, None, 0.01), should_promote(0.8, float("nan"), 0.01)
    (True, True)
    >>> should_promote(0.8, 0.795, 0.01)
    False
    """
    return champion is None or isnan(champion) or new > champion + delta


def compare_metrics(
    label: Labels,
    champion: VersionAnswers,
    challenger: VersionAnswers,
    economics: Economics | None,
    policy: GatePolicy,
) -> tuple[MetricComparison, ...]:
    """Compare every metric of two versions, with a paired bootstrap interval of the difference.

    Where the money is not set, the value is not compared.

    Each draw takes as many rows of each class as there are, and scores both versions on them. So
    the luck of the draw is the same for both versions. Both classes must be present.

    >>> label = np.array([0, 1] * 20)
    >>> answers = VersionAnswers(probability=np.linspace(0, 1, 40), threshold=0.5)
    >>> economics = Economics(kept_value=2, offer_cost=1, offer_success=1)
    >>> policy = GatePolicy(rule="paired-bootstrap", metric="auc", margin=0, confidence=0.95,
    ...                 draws=50, seed=1, min_rows=1)
    >>> compare_metrics(label, answers, answers, economics, policy)[0].difference
    0.0
    """
    champion_scorer = _Scorer(label, champion, economics)
    challenger_scorer = _Scorer(label, challenger, economics)
    each_row_once = np.ones(len(label))
    champion_scores = champion_scorer.scores(each_row_once)
    challenger_scores = challenger_scorer.scores(each_row_once)
    # A smaller Brier score is better.
    sign = np.where(np.array(METRICS) == "brier", -1.0, 1.0)
    differences = (challenger_scores - champion_scores) * sign
    drawn_differences = [
        challenger_scorer.scores(weight) - champion_scorer.scores(weight)
        for weight in _resample(label, policy)
    ]
    tail = (1 - policy.confidence) / 2
    interval_ends = np.quantile(np.array(drawn_differences), [tail, 1 - tail], axis=0)
    low, high = np.sort(interval_ends * sign, axis=0)
    compared = _make_comparisons(champion_scores, challenger_scores, differences, low, high)
    return tuple(metric for metric in compared if economics or metric.metric != "value")


def _make_comparisons(
    champion: Floats,
    challenger: Floats,
    difference: Floats,
    low: Floats,
    high: Floats,
) -> tuple[MetricComparison, ...]:
    """Make one comparison for each metric from arrays that hold a value per metric."""
    return tuple(
        MetricComparison(
            metric=metric,
            champion=float(champion[number]),
            challenger=float(challenger[number]),
            difference=float(difference[number]),
            low=float(low[number]),
            high=float(high[number]),
        )
        for number, metric in enumerate(METRICS)
    )


def _resample(label: Labels, policy: GatePolicy) -> Iterator[Floats]:
    """Give for each draw how many times each row is taken.

    In each class as many rows are drawn as the class has.
    """
    generator = np.random.default_rng(policy.seed)
    is_positive = np.asarray(label).astype(bool)
    class_rows = [np.flatnonzero(is_positive), np.flatnonzero(~is_positive)]
    for _ in range(policy.draws):
        drawn_rows = []
        for rows in class_rows:
            indices = generator.integers(0, len(rows), len(rows))
            drawn_rows.append(rows[indices])
        counts = np.bincount(np.concatenate(drawn_rows), minlength=len(is_positive))
        yield counts.astype(float)


class _Scorer:
    """The metrics of one version on weighted rows. The rows are ranked only once."""

    def __init__(self, label: Labels, answers: VersionAnswers, economics: Economics | None) -> None:
        self.positive = np.asarray(label).astype(float)
        distinct, group = np.unique(-answers.probability, return_inverse=True)
        self.group = group
        self.groups = len(distinct)
        self.squared_error = (answers.probability - self.positive) ** 2
        is_flagged = flag_rows(answers.probability, answers.threshold)
        self.value = (
            np.zeros(len(label)) if economics is None else economics.value_by_row(label, is_flagged)
        )

    def scores(self, weight: Floats) -> Floats:
        """Compute AUC, average precision, Brier score and mean value, (4,).

        Args:
            weight: How many times each row counts, (n,).
        """
        positive_weight = weight * self.positive
        negative_weight = weight * (1 - self.positive)
        positives = np.bincount(self.group, positive_weight, self.groups)
        negatives = np.bincount(self.group, negative_weight, self.groups)
        # Over groups of equal probability, from the highest probability down.
        true_alarms = np.cumsum(positives)
        false_alarms = np.cumsum(negatives)
        negatives_below = false_alarms[-1] - false_alarms + negatives / 2
        pairs = true_alarms[-1] * false_alarms[-1]
        ordered_pairs = (positives * negatives_below).sum()
        auc = ordered_pairs / pairs
        alarms = true_alarms + false_alarms
        has_alarms = alarms > 0
        no_precision = np.zeros_like(true_alarms)
        precision = np.divide(true_alarms, alarms, out=no_precision, where=has_alarms)
        precision_sum = (positives * precision).sum()
        average_precision = precision_sum / true_alarms[-1]
        total_weight = weight.sum()
        total_error = (weight * self.squared_error).sum()
        total_value = (weight * self.value).sum()
        brier = total_error / total_weight
        value = total_value / total_weight
        return np.array([auc, average_precision, brier, value])


def judge_comparison(compared: tuple[MetricComparison, ...], policy: GatePolicy) -> GateCondition:
    """Decide by the policy whether the challenger is better."""
    result = next(metric for metric in compared if metric.metric == policy.metric)
    if policy.rule == "point-estimate":
        passed = should_promote(result.difference, 0.0, policy.margin)
        details = f"difference {result.difference:+.4f}, by the point-estimate policy"
    else:
        passed = result.low > policy.margin
        details = (
            f"difference {result.difference:+.4f},"
            f" {100 * policy.confidence:.15g}% interval {result.low:+.4f}..{result.high:+.4f}"
        )
    evidence = (
        f"{policy.metric} {result.challenger:.4f} against the champion's {result.champion:.4f}:"
        f" {details}; needed is more than {policy.margin:g}"
    )
    return GateCondition(name="comparison", passed=passed, evidence=evidence)


def explain_too_few_rows(label: Labels, policy: GatePolicy) -> str:
    """Explain why these rows are too few to compare two versions.

    Returns:
        Empty when there are enough rows.

    >>> policy = GatePolicy(rule="paired-bootstrap", metric="auc", margin=0, confidence=0.95,
    ...                 draws=50, seed=1, min_rows=50)
    >>> explain_too_few_rows(np.array([0, 1] * 5), policy)
    '10 rows are unseen by both, needed are 50'
    >>> explain_too_few_rows(np.array([0, 1] * 50), policy)
    ''
    """
    rows = len(label)
    positives = int(np.asarray(label).sum())
    if rows < policy.min_rows:
        return (
            f"{count_of(rows, 'row is', 'rows are')} unseen by both, needed are {policy.min_rows}"
        )
    if min(positives, rows - positives) < MIN_PER_CLASS:
        return (
            f"of the {count_of(rows, 'row')} unseen by both"
            f" {positives:,} {choose_form(positives, 'is', 'are')} positive,"
            f" needed are {MIN_PER_CLASS} of each class"
        )
    return ""
