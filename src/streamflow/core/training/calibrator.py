"""The map from a probability of the model to the share of such keys that really leave.

Every version takes a copy of this file with it, for stock MLflow clients. So this file imports
nothing of streamflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The weight of the model's own probability in the calibrated one. With it, rows on a flat stretch
# of the map keep the order in which the model ranks them.
OWN_SHARE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    """A rising line through knots, from a raw to a calibrated probability.

    Attributes:
        raw: Probabilities of the model.
        calibrated: What these become. If both are empty, the calibrator changes nothing.

    >>> Calibrator(raw=(0.0, 1.0), calibrated=(0.1, 0.3)).apply(np.array([0.5])).round(4).tolist()
    [0.2]
    >>> Calibrator().apply(np.array([0.5])).tolist()
    [0.5]
    """

    raw: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()

    def apply(self, probability: Floats) -> Floats:
        """Return the calibrated probabilities.

        Shape (n,) in and out. The order of any two rows stays the same.
        """
        if not self.raw:
            return probability
        on_the_line = np.interp(probability, self.raw, self.calibrated)
        return (1 - OWN_SHARE) * on_the_line + OWN_SHARE * probability

    @property
    def values(self) -> dict[str, list[float]]:
        """Return the knots as plain values."""
        return {"raw": list(self.raw), "calibrated": list(self.calibrated)}


def parse_calibrator(values: Mapping[str, Any]) -> Calibrator:
    """Make a calibrator from its stored `values`.

    Raises:
        ValueError: The values are not a rising line within [0, 1].
    """
    raw = tuple(map(float, values["raw"]))
    calibrated = tuple(map(float, values["calibrated"]))
    knots = np.array([raw, calibrated])
    are_probabilities = (knots >= 0) & (knots <= 1)
    if len(raw) != len(calibrated) or not are_probabilities.all():
        raise ValueError("its knots are not probabilities")
    raw_steps, calibrated_steps = np.diff(knots)
    if (raw_steps <= 0).any() or (calibrated_steps < 0).any():
        raise ValueError("its knots do not rise")
    return Calibrator(raw=raw, calibrated=calibrated)
