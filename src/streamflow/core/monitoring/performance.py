"""Drift of labels and of performance, each with an interval.

Label drift: are labels as frequent as before? Concept drift: does a version still rank as well as
before?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from streamflow.core.monitoring.drift_tests import SMALLEST_MOVE
from streamflow.core.statistics.curves import calibration_points, roc_points
from streamflow.core.statistics.intervals import Interval, measure_ranking, share_interval
from streamflow.core.statistics.metrics import (
    Floats,
    HoldoutMetrics,
    Labels,
    evaluate,
)
from streamflow.core.statistics.threshold import Threshold

# The confidence of the intervals that an alarm needs. It is our convention: at most one of 200
# quiet months raises an alarm.
CONFIDENCE = 0.99
# Positives, and negatives, that an interval of AUC needs. With fewer rows the normal approximation
# does not hold.
MIN_PER_CLASS = 10
# Points of a curve that a report keeps.
MAX_CURVE_POINTS = 60


@dataclass(frozen=True, kw_only=True)
class LabelDrift:
    """The share of positive labels in the reference and in the current rows.

    Attributes:
        difference: The current share minus the reference share.
        low: The lower end of the 99 % interval of the difference.
        high: The upper end of that interval.
    """

    reference: float
    current: float
    reference_rows: int
    current_rows: int
    difference: float
    low: float
    high: float

    @property
    def fires(self) -> bool:
        """Tell whether the share moved by more than a point, and the interval excludes zero."""
        return abs(self.difference) > SMALLEST_MOVE and not self.low <= 0 <= self.high


def compare_labels(reference: Labels, current: Labels) -> LabelDrift:
    """Compare the shares of positives in two sets of labels.

    It uses the interval of Newcombe (1998), which is correct for few rows and rare labels too.

    >>> drift = compare_labels(np.array([0, 1] * 500), np.array([0, 0, 0, 1] * 250))
    >>> drift.difference, drift.fires
    (-0.25, True)
    """
    reference_share = _positive_share(reference)
    current_share = _positive_share(current)
    difference = current_share.value - reference_share.value
    current_below = current_share.value - current_share.low
    current_above = current_share.high - current_share.value
    reference_below = reference_share.value - reference_share.low
    reference_above = reference_share.high - reference_share.value
    return LabelDrift(
        reference=reference_share.value,
        current=current_share.value,
        reference_rows=len(reference),
        current_rows=len(current),
        difference=difference,
        low=difference - sqrt(current_below**2 + reference_above**2),
        high=difference + sqrt(current_above**2 + reference_below**2),
    )


def _positive_share(label: Labels) -> Interval:
    """Return the share of positives with the interval of Wilson."""
    positives = int(np.asarray(label).sum())
    return share_interval(positives, len(label), z=_normal_quantile())


def _normal_quantile() -> float:
    return NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Performance:
    """How a version performs on rows that it has not seen.

    Attributes:
        error: The standard error of AUC.
        roc: The points of the ROC curve, to draw.
        calibration: The points of the calibration curve, to draw.
    """

    metrics: HoldoutMetrics
    error: float
    roc: Curve
    calibration: Curve


def measure_performance(
    label: Labels,
    probability: Floats,
    *,
    threshold: Threshold,
    seed: int,
    draws: int,
) -> Performance | None:
    """Measure how a version performs on these rows.

    Returns:
        None when there are fewer than MIN_PER_CLASS rows of a class.

    >>> label = np.array([0, 1] * 20)
    >>> probability = label * 0.4 + np.arange(40) / 100
    >>> measurement = measure_performance(label, probability, threshold=0.5, seed=1, draws=50)
    >>> measurement.metrics.auc, round(measurement.error, 3)
    (1.0, 0.0)
    >>> measure_performance(label[:10], probability[:10], threshold=0.5, seed=1, draws=50) is None
    True
    """
    is_positive = np.asarray(label).astype(bool)
    positives = int(np.asarray(label).sum())
    if min(positives, len(label) - positives) < MIN_PER_CLASS:
        return None
    predicted, observed, _ = calibration_points(label, probability)
    return Performance(
        metrics=evaluate(label, probability, threshold=threshold, seed=seed, draws=draws),
        error=sqrt(measure_ranking(is_positive, probability).variance),
        roc=_thin_out(*roc_points(label, probability)),
        calibration=_thin_out(predicted, observed),
    )


def _thin_out(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> Curve:
    """Return at most MAX_CURVE_POINTS points of a curve; both ends are among them."""
    evenly_spaced = np.linspace(0, len(x) - 1, MAX_CURVE_POINTS)
    numbers = np.unique(evenly_spaced.round().astype(int))
    return tuple((float(x[number]), float(y[number])) for number in numbers)


@dataclass(frozen=True, kw_only=True)
class ConceptDrift:
    """The AUC of one version on the reference and on the current rows.

    Attributes:
        difference: The current AUC minus the reference AUC.
        low: The lower end of the 99 % interval of the difference.
        high: The upper end of that interval.
    """

    reference: float
    current: float
    difference: float
    low: float
    high: float

    @property
    def fires(self) -> bool:
        """Tell whether the version ranks worse than before: the whole interval is below zero."""
        return self.high < 0


def compare_performance(reference: Performance, current: Performance) -> ConceptDrift:
    """Compare the AUC of one version on two sets of rows.

    Both sets count as independent. Users in both sets make the two AUC similar, so that the
    interval is then too wide, never too narrow.
    """
    reference_auc = reference.metrics.auc
    current_auc = current.metrics.auc
    difference = current_auc - reference_auc
    error = sqrt(reference.error**2 + current.error**2)
    half_width = _normal_quantile() * error
    return ConceptDrift(
        reference=reference_auc,
        current=current_auc,
        difference=difference,
        low=difference - half_width,
        high=difference + half_width,
    )
