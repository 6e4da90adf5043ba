"""Calibration: what a model says becomes the share of keys that leave, by one monotone map learned from out-of-fold answers.

The map is centered isotonic regression (Oron and Flournoy, 2017): isotonic regression, whose blocks become knots at their
centres with straight lines between them. It holds no power or logarithm, so that one row, a batch and another machine get
the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.integer] | NDArray[np.bool_]

OWN_SHARE = (
    1e-6  # of the model's own probability in the answer: flat stretches keep the model's ranking
)


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    """A rising line through knots: `raw` are probabilities of the model, `calibrated` what they become. Both empty: no change.

    >>> Calibrator(raw=(0.0, 1.0), calibrated=(0.1, 0.3)).apply(np.array([0.5])).round(4).tolist()
    [0.2]
    >>> Calibrator().apply(np.array([0.5])).tolist()
    [0.5]
    """

    raw: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()

    def apply(self, probability: Floats) -> Floats:
        """The calibrated probabilities; shape (n,) in and out, the order of any two rows is kept."""
        if not self.raw:
            return probability
        return (1 - OWN_SHARE) * np.interp(
            probability, self.raw, self.calibrated
        ) + OWN_SHARE * probability

    @property
    def values(self) -> dict[str, list[float]]:
        """As plain values."""
        return {"raw": list(self.raw), "calibrated": list(self.calibrated)}


def calibrator_of(values: Mapping[str, Any]) -> Calibrator:
    """The calibrator that `values` wrote down. Raises ValueError when it is no rising line within [0, 1]."""
    raw, calibrated = (tuple(map(float, values[name])) for name in ("raw", "calibrated"))
    knots = np.array([raw, calibrated])
    if len(raw) != len(calibrated) or not ((knots >= 0) & (knots <= 1)).all():
        raise ValueError("its knots are no probabilities")
    if (np.diff(knots[0]) <= 0).any() or (np.diff(knots[1]) < 0).any():
        raise ValueError("its knots do not rise")
    return Calibrator(raw=raw, calibrated=calibrated)


def fit_calibrator(probability: Floats, label: Labels) -> Calibrator:
    """Learn the map from answers for rows that the model had not seen, both (n,), n > 0.

    A block without one of the classes says at most 1 - 1/2n and at least 1/2n: none of n rows is no proof of never.

    >>> fit_calibrator(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])).values
    {'raw': [0.0, 0.2, 0.5, 0.8, 1.0], 'calibrated': [0.125, 0.125, 0.5, 0.875, 0.875]}
    """
    from scipy.optimize import isotonic_regression

    raw, place = np.unique(probability, return_inverse=True)
    rows = np.bincount(place).astype(float)
    found = isotonic_regression(
        np.bincount(place, np.asarray(label).astype(float)) / rows, weights=rows
    )
    first = found.blocks[:-1]
    centre = np.add.reduceat(raw * rows, first) / np.add.reduceat(rows, first)
    least = 0.5 / len(probability)
    share = np.clip(found.x[first], least, 1 - least)
    inner = (centre > 0) & (centre < 1)  # the ends are knots anyway
    knots = np.r_[0.0, centre[inner], 1.0], np.r_[share[0], share[inner], share[-1]]
    return Calibrator(raw=tuple(knots[0].tolist()), calibrated=tuple(knots[1].tolist()))


def calibration_error(label: Labels, probability: Floats, *, bins: int = 10) -> float:
    """The mean distance between what was said and what came true, over `bins` bins of equally many rows in order.

    >>> calibration_error(np.array([0, 1, 1, 1]), np.array([0.25, 0.25, 0.5, 1.0]), bins=2)
    0.25
    """
    order = np.argsort(probability, kind="stable")
    return _distance(probability[order], np.asarray(label).astype(float)[order], bins)


def _distance(said: Floats, came: Floats, bins: int) -> float:
    """The same of rows in the order of what was said."""
    first = np.linspace(0, len(said), min(bins, len(said)) + 1).astype(int)[:-1]
    return float(np.abs(np.add.reduceat(said - came, first)).sum() / len(said))


def perfect_error(
    probability: Floats, *, level: float, seed: int, draws: int, bins: int = 10
) -> float:
    """The `level` quantile of the calibration error of labels that are drawn from these very probabilities.

    >>> perfect_error(np.full(100, 0.5), level=0.95, seed=1, draws=200) > 0
    True
    """
    generator, said = np.random.default_rng(seed), np.sort(probability)
    drawn = [
        _distance(said, (generator.random(len(said)) < said).astype(float), bins)
        for _ in range(draws)
    ]
    return float(np.quantile(drawn, level))
