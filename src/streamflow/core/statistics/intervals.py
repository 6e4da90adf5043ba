"""Confidence intervals of shares, of ratios and of AUC.

The default is 99.9 %: then a test at every drop gives a false alarm about once in a thousand drops.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

# The normal quantile of a two-sided interval of 99.9 %: our convention, see above.
Z = 3.2905


Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


def share_interval(count: int, total: int, *, z: float = Z) -> Interval:
    """Return `count / total` with Wilson's score interval (1927).

    `total` is at least 1; `z` is the normal quantile of the interval.

    >>> interval = share_interval(1, 1)
    >>> interval.value, round(interval.low, 3), interval.high
    (1.0, 0.085, 1.0)
    """
    value = count / total
    weight = z * z / total
    centre = value + weight / 2
    variance = value * (1 - value) / total + weight / (4 * total)
    half_width = z * sqrt(variance)
    low = (centre - half_width) / (1 + weight)
    high = (centre + half_width) / (1 + weight)
    return Interval(value=value, low=max(0.0, low), high=min(1.0, high))


def ratio_interval(count: int, total: int, count_before: int, total_before: int) -> Interval:
    """Return a share divided by the share before, with Katz's log interval (1978).

    Half a count is added to each number (Walter 1975).

    >>> interval = ratio_interval(40, 100, 20, 100)
    >>> round(interval.value, 2), round(interval.low, 2), round(interval.high, 2)
    (1.98, 0.92, 4.23)
    """
    count_after = count + 0.5
    rows_after = total + 0.5
    count_former = count_before + 0.5
    rows_former = total_before + 0.5
    value = (count_after / rows_after) / (count_former / rows_former)
    variance = 1 / count_after - 1 / rows_after + 1 / count_former - 1 / rows_former
    half_width = Z * sqrt(variance)
    low = exp(log(value) - half_width)
    high = exp(log(value) + half_width)
    return Interval(value=value, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """AUC of a score, and the variance of AUC that comes from the choice of the rows alone."""

    auc: float
    variance: float
    positives: int
    negatives: int


def measure_ranking(label: Flags, score: Floats) -> Ranking:
    """Compute AUC with the variance of DeLong, DeLong and Clarke-Pearson (1988).

    It is computed from ranks (Sun and Xu 2014). Both arrays are (n,), with at least two rows of
    each class.

    >>> label = np.array([False, True, False, True])
    >>> measured = measure_ranking(label, np.array([0.2, 0.2, 0.1, 0.9]))
    >>> measured.auc, round(measured.variance, 4)
    (0.875, 0.0312)
    """
    all_ranks = _ranks(score)
    positives = int(label.sum())
    negatives = len(label) - positives
    # For each positive: the share of negatives with a lower score.
    ranks_among_positives = _ranks(score[label])
    negatives_below = (all_ranks[label] - ranks_among_positives) / negatives
    # For each negative: the share of positives with a higher score.
    ranks_among_negatives = _ranks(score[~label])
    positives_above = 1 - (all_ranks[~label] - ranks_among_negatives) / positives
    variance_of_positives = negatives_below.var(ddof=1) / positives
    variance_of_negatives = positives_above.var(ddof=1) / negatives
    return Ranking(
        auc=float(negatives_below.mean()),
        variance=float(variance_of_positives + variance_of_negatives),
        positives=positives,
        negatives=negatives,
    )


def auc_decrease(former: Ranking, current: Ranking) -> Interval:
    """Return how much AUC fell between two sets of rows, taken as independent.

    If some users are in both sets, chance affects both in the same way, and the interval is wider
    than necessary.

    >>> former = Ranking(auc=0.8, variance=0.0004, positives=9, negatives=9)
    >>> current = Ranking(auc=0.5, variance=0.0005, positives=9, negatives=9)
    >>> interval = auc_decrease(former, current)
    >>> round(interval.value, 2), round(interval.low, 2), round(interval.high, 2)
    (0.3, 0.2, 0.4)
    """
    value = former.auc - current.auc
    half_width = Z * sqrt(former.variance + current.variance)
    return Interval(value=value, low=value - half_width, high=value + half_width)


def _ranks(score: Floats) -> Floats:
    return pl.Series(score).rank("average").to_numpy()
