"""Calibration: turn the probability of a model into the share of such keys that really leave.

One monotone map does this: see `calibrator`. It is learned from out-of-fold probabilities: those of
rows that the model had not seen.

The map is centered isotonic regression (Oron and Flournoy, 2017). This is isotonic regression
whose blocks become knots at the centres of the blocks, with straight lines between the knots. It
needs no power and no logarithm, so that one row, a batch and a different machine get the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamflow.core.training.calibrator import Calibrator, Floats

Labels = NDArray[np.integer] | NDArray[np.bool_]


def fit_calibrator(probability: Floats, label: Labels) -> Calibrator:
    """Learn the map from probabilities of rows that the model had not seen.

    A block in which a class is absent gets a share of at most 1 - 1/2n and at least 1/2n: that an
    event happened in none of n rows does not prove that it never happens.

    `probability` is what the model predicted, `label` what happened; both (n,), n > 0.

    >>> fit_calibrator(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])).values
    {'raw': [0.0, 0.2, 0.5, 0.8, 1.0], 'calibrated': [0.125, 0.125, 0.5, 0.875, 0.875]}
    """
    from scipy.optimize import isotonic_regression

    raw, index = np.unique(probability, return_inverse=True)
    rows = np.bincount(index).astype(float)
    label_values = np.asarray(label).astype(float)
    positives = np.bincount(index, label_values)
    regression = isotonic_regression(positives / rows, weights=rows)
    block_starts = regression.blocks[:-1]
    block_rows = np.add.reduceat(rows, block_starts)
    block_sums = np.add.reduceat(raw * rows, block_starts)
    centres = block_sums / block_rows
    smallest_share = 0.5 / len(probability)
    block_shares = regression.x[block_starts]
    shares = np.clip(block_shares, smallest_share, 1 - smallest_share)
    # 0 and 1 are knots in any case.
    inner = (centres > 0) & (centres < 1)
    raw_knots = np.r_[0.0, centres[inner], 1.0]
    calibrated_knots = np.r_[shares[0], shares[inner], shares[-1]]
    return Calibrator(
        raw=tuple(raw_knots.tolist()),
        calibrated=tuple(calibrated_knots.tolist()),
    )


def calibrated_brier(label: Labels, probability: Floats) -> float:
    """Return the Brier score of probabilities after their calibration.

    It is what is left of the error of a model whose answers are calibrated before they are served,
    so models of different kinds can be compared by it.

    >>> round(calibrated_brier(np.array([0, 1, 0, 1]), np.array([0.2, 0.4, 0.6, 0.8])), 4)
    0.2031
    """
    calibrated = fit_calibrator(probability, label).apply(probability)
    return float(np.mean((calibrated - label) ** 2))


def calibration_error(label: Labels, probability: Floats, *, bins: int = 10) -> float:
    """Measure the mean distance between the predicted and the true share of positives.

    The rows are sorted by probability and divided into `bins` bins of equally many rows.

    >>> calibration_error(np.array([0, 1, 1, 1]), np.array([0.25, 0.25, 0.5, 1.0]), bins=2)
    0.25
    """
    order = np.argsort(probability, kind="stable")
    predicted = probability[order]
    label_values = np.asarray(label).astype(float)
    observed = label_values[order]
    return _binned_distance(predicted, observed, bins)


def _binned_distance(predicted: Floats, observed: Floats, bins: int) -> float:
    """Return the calibration error of rows that are sorted by predicted probability."""
    rows = len(predicted)
    bin_count = min(bins, rows)
    bin_edges = np.linspace(0, rows, bin_count + 1).astype(int)
    bin_starts = bin_edges[:-1]
    bin_differences = np.add.reduceat(predicted - observed, bin_starts)
    distance = np.abs(bin_differences).sum()
    return float(distance / rows)


def chance_calibration_error(
    probability: Floats,
    *,
    level: float,
    seed: int,
    draws: int,
    bins: int = 10,
) -> float:
    """Return the calibration error that chance alone gives to perfectly calibrated probabilities.

    It draws labels from these probabilities `draws` times, and returns the `level` quantile of
    the calibration errors.

    >>> chance_calibration_error(np.full(100, 0.5), level=0.95, seed=1, draws=200) > 0
    True
    """
    generator = np.random.default_rng(seed)
    predicted = np.sort(probability)
    errors = []
    for _ in range(draws):
        is_positive = generator.random(len(predicted)) < predicted
        labels = is_positive.astype(float)
        errors.append(_binned_distance(predicted, labels, bins))
    return float(np.quantile(errors, level))
