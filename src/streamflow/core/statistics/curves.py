"""The points of the curves that show how well a model ranks and how honest its numbers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamflow.core.statistics.metrics import Floats, Labels


def roc_points(label: Labels, probability: Floats) -> tuple[Floats, Floats]:
    """Return false and true positive rate, each (k,) from 0 to 1.

    There is one point per distinct probability, and the point (0, 0).

    >>> [rates.tolist() for rates in roc_points(np.array([0, 1]), np.array([0.2, 0.8]))]
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    _, positives, negatives = count_above(label, probability)
    false_positive_rate = negatives / negatives[-1]
    true_positive_rate = positives / positives[-1]
    return np.r_[0.0, false_positive_rate], np.r_[0.0, true_positive_rate]


def precision_recall_points(label: Labels, probability: Floats) -> tuple[Floats, Floats]:
    """Return recall and precision, each (k,), from the highest threshold to the lowest.

    >>> points = precision_recall_points(np.array([0, 1]), np.array([0.2, 0.8]))
    >>> [values.tolist() for values in points]
    [[1.0, 1.0], [1.0, 0.5]]
    """
    _, positives, negatives = count_above(label, probability)
    return positives / positives[-1], positives / (positives + negatives)


def count_above(label: Labels, probability: Floats) -> tuple[Floats, Floats, Floats]:
    """Count positives and negatives at or above each distinct probability.

    Returns:
        The distinct probabilities, highest first, the positives and the negatives, each (k,).

    >>> counts = count_above(np.array([0, 1, 1]), np.array([0.2, 0.8, 0.2]))
    >>> [values.tolist() for values in counts]
    [[0.8, 0.2], [1.0, 2.0], [0.0, 1.0]]
    """
    order, group_ends = order_groups(probability)
    is_positive = np.asarray(label).astype(bool)[order]
    positives = np.cumsum(is_positive)[group_ends].astype(float)
    negatives = np.cumsum(~is_positive)[group_ends].astype(float)
    return probability[order[group_ends]], positives, negatives


def order_groups(probability: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order rows by probability, highest first, and find the groups of equal probabilities.

    Returns:
        The row at each position, (n,), and the position of the last row of each group, (k,).

    >>> [positions.tolist() for positions in order_groups(np.array([0.2, 0.8, 0.2]))]
    [[1, 0, 2], [0, 2]]
    """
    order = np.argsort(-probability, kind="stable")
    steps = np.flatnonzero(np.diff(probability[order]))
    return order, np.r_[steps, len(order) - 1]


def calibration_points(
    label: Labels,
    probability: Floats,
    *,
    bins: int = 10,
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return mean probability, share of positives and number of rows of each bin.

    Each of the `bins` holds about the same number of rows; empty bins are left out.

    >>> label, probability = np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.8, 1.0])
    >>> [points.tolist() for points in calibration_points(label, probability, bins=2)]
    [[0.2, 0.9], [0.5, 1.0], [2, 2]]
    """
    levels = np.linspace(0, 1, bins + 1)[1:-1]
    inner_edges = np.quantile(probability, levels)
    row_bins = np.searchsorted(inner_edges, probability, side="right")
    rows = np.bincount(row_bins, minlength=bins)
    is_filled = rows > 0
    filled_rows = rows[is_filled]
    positives = np.asarray(label).astype(float)
    probability_sums = np.bincount(row_bins, probability, bins)[is_filled]
    positive_sums = np.bincount(row_bins, positives, bins)[is_filled]
    return probability_sums / filled_rows, positive_sums / filled_rows, filled_rows
