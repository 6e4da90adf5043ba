"""Whether labels are as frequent as they were, and whether a version still ranks as it did, each with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from streamflow.core.monitoring.drift import POINT
from streamflow.core.statistics.intervals import ranking, share
from streamflow.core.statistics.metrics import (
    Floats,
    Labels,
    Metrics,
    calibration_points,
    evaluate,
    roc_points,
)

SURE = 0.99  # of the intervals that an alarm needs: our convention, so that one of 200 quiet months calls at most
FEW = 10  # positives and negatives that an interval of AUC needs; with fewer the normal approximation says nothing
DRAWN = 60  # points of a curve that a report keeps


@dataclass(frozen=True, kw_only=True)
class LabelDrift:
    """The share of positive labels there and here; low and high are the 99 % interval of the difference."""

    reference: float
    current: float
    reference_rows: int
    current_rows: int
    difference: float
    low: float
    high: float

    @property
    def fires(self) -> bool:
        """Whether it moved by more than a point, surely."""
        return abs(self.difference) > POINT and not self.low <= 0 <= self.high


def label_drift(reference: Labels, current: Labels) -> LabelDrift:
    """Compare two sets of labels, with Newcombe's (1998) interval: right for few rows and rare labels too.

    >>> found = label_drift(np.array([0, 1] * 500), np.array([0, 0, 0, 1] * 250))
    >>> found.difference, found.fires
    (-0.25, True)
    """
    p, p_low, p_high = _wilson(reference)
    q, q_low, q_high = _wilson(current)
    return LabelDrift(
        reference=p,
        current=q,
        reference_rows=len(reference),
        current_rows=len(current),
        difference=q - p,
        low=q - p - sqrt((q - q_low) ** 2 + (p_high - p) ** 2),
        high=q - p + sqrt((q_high - q) ** 2 + (p - p_low) ** 2),
    )


def _wilson(label: Labels) -> tuple[float, float, float]:
    """The share of positives with Wilson's interval."""
    found = share(int(np.asarray(label).sum()), len(label), z=_z())
    return found.value, found.low, found.high


def _z() -> float:
    return NormalDist().inv_cdf((1 + SURE) / 2)


Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Performance:
    """How a version did on rows that it has not seen. error: the standard error of AUC; roc and calibration: points to draw."""

    metrics: Metrics
    error: float
    roc: Curve
    calibration: Curve


def performance(
    label: Labels, probability: Floats, *, threshold: float, seed: int, draws: int
) -> Performance | None:
    """Measure it; None when there are fewer than FEW of a class.

    >>> label = np.array([0, 1] * 20)
    >>> found = performance(label, label * 0.4 + np.arange(40) / 100, threshold=0.5, seed=1, draws=50)
    >>> found.metrics.auc, round(found.error, 3)
    (1.0, 0.0)
    >>> performance(label[:10], label[:10] * 1.0, threshold=0.5, seed=1, draws=50) is None
    True
    """
    positives = int(np.asarray(label).sum())
    if min(positives, len(label) - positives) < FEW:
        return None
    predicted, observed, _ = calibration_points(label, probability)
    return Performance(
        metrics=evaluate(label, probability, threshold=threshold, seed=seed, draws=draws),
        error=sqrt(ranking(np.asarray(label).astype(bool), probability).variance),
        roc=_curve(*roc_points(label, probability)),
        calibration=_curve(predicted, observed),
    )


def _curve(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> Curve:
    """At most DRAWN points, the ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, DRAWN).round().astype(int))
    return tuple((float(x[i]), float(y[i])) for i in kept)


@dataclass(frozen=True, kw_only=True)
class ConceptDrift:
    """AUC of one version there and here; low and high are the 99 % interval of the difference."""

    reference: float
    current: float
    difference: float
    low: float
    high: float

    @property
    def fires(self) -> bool:
        """Whether the version ranks worse than it did, surely."""
        return self.high < 0


def concept_drift(reference: Performance, current: Performance) -> ConceptDrift:
    """Compare the AUC of one version on two sets of rows.

    Both sets count as independent. Users that are in both make the two AUC alike, so that the interval is too wide then, never
    too narrow.
    """
    there, here = reference.metrics.auc, current.metrics.auc
    half = _z() * sqrt(reference.error**2 + current.error**2)
    return ConceptDrift(
        reference=there,
        current=here,
        difference=here - there,
        low=here - there - half,
        high=here - there + half,
    )
