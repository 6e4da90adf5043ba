"""Intervals of shares, ratios and AUC; at 99.9 % a look at every drop alarms by chance about once in a thousand."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

Z = 3.2905  # the normal quantile of a two-sided interval of 99.9 %: our convention, see above


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its interval."""

    value: float
    low: float
    high: float


def share(count: int, of: int, *, z: float = Z) -> Interval:
    """A share with Wilson's score interval (1927) at the normal quantile `z`; `of` is at least 1.

    >>> found = share(1, 1)
    >>> found.value, round(found.low, 3), found.high
    (1.0, 0.085, 1.0)
    """
    value, weight = count / of, z * z / of
    centre, half = value + weight / 2, z * sqrt(value * (1 - value) / of + weight / (4 * of))
    return Interval(
        value=value,
        low=max(0.0, (centre - half) / (1 + weight)),
        high=min(1.0, (centre + half) / (1 + weight)),
    )


def ratio(count: int, of: int, count_before: int, of_before: int) -> Interval:
    """How many times the share before a share is, with Katz's log interval (1978); half a count is added to each (Walter 1975).

    >>> found = ratio(40, 100, 20, 100)
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
    (1.98, 0.92, 4.23)
    """
    a, n, b, m = count + 0.5, of + 0.5, count_before + 0.5, of_before + 0.5
    value, half = (a / n) / (b / m), Z * sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    return Interval(value=value, low=exp(log(value) - half), high=exp(log(value) + half))


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """AUC of a score, and its variance as that of the rows alone."""

    auc: float
    variance: float
    positives: int
    negatives: int


def ranking(label: NDArray[np.bool_], score: NDArray[np.float64]) -> Ranking:
    """AUC with the variance of DeLong, DeLong and Clarke-Pearson (1988), from ranks (Sun and Xu 2014); two of each class at least.

    >>> found = ranking(np.array([False, True, False, True]), np.array([0.2, 0.2, 0.1, 0.9]))
    >>> found.auc, round(found.variance, 4)
    (0.875, 0.0312)
    """
    all_ranks, m = _ranks(score), int(label.sum())
    n = len(label) - m
    beaten = (
        all_ranks[label] - _ranks(score[label])
    ) / n  # of each positive: the share of negatives below it
    above = 1 - (all_ranks[~label] - _ranks(score[~label])) / m
    return Ranking(
        auc=float(beaten.mean()),
        variance=float(beaten.var(ddof=1) / m + above.var(ddof=1) / n),
        positives=m,
        negatives=n,
    )


def fall(before: Ranking, now: Ranking) -> Interval:
    """How far AUC fell between two sets of rows, taken as independent.

    Of users who are in both sets luck is partly shared: the interval is then wider than need be.

    >>> one = Ranking(auc=0.8, variance=0.0004, positives=9, negatives=9)
    >>> found = fall(one, Ranking(auc=0.5, variance=0.0005, positives=9, negatives=9))
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
    (0.3, 0.2, 0.4)
    """
    value, half = before.auc - now.auc, Z * sqrt(before.variance + now.variance)
    return Interval(value=value, low=value - half, high=value + half)


def _ranks(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return pl.Series(score).rank("average").to_numpy()
