"""The threshold: the probability from which on a row is flagged. None means that nobody is."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Threshold = float | None
# The word in files, in tags and for people that says that nobody is flagged.
NOBODY = "none"


def flag_rows(probability: NDArray[np.float64], threshold: Threshold) -> NDArray[np.bool_]:
    """Decide for each row whether it is flagged, (n,).

    >>> flag_rows(np.array([0.2, 0.5]), 0.5).tolist(), flag_rows(np.array([1.0]), None).tolist()
    ([False, True], [False])
    """
    return np.asarray(probability >= comparable_threshold(threshold))


def is_flagged(probability: float, threshold: Threshold) -> bool:
    """Decide whether one probability is flagged."""
    return probability >= comparable_threshold(threshold)


def comparable_threshold(threshold: Threshold) -> float:
    """Return a number to compare with: infinity where nobody is flagged.

    Tables store this number, because their column must have a value.
    """
    return inf if threshold is None else threshold


def stored_threshold(threshold: Threshold) -> float | str:
    """Return a threshold as files of a version store it: a number, or the word for nobody.

    >>> stored_threshold(0.5), stored_threshold(None)
    (0.5, 'none')
    """
    return NOBODY if threshold is None else threshold


def parse_threshold(value: Any) -> Threshold:
    """Read a stored threshold.

    A number above 1 flags nobody: tables have infinity, and earlier releases wrote the smallest
    number above 1.

    Raises:
        TypeError: The value is neither a number nor a text.
        ValueError: The text is neither a number nor the word for nobody.

    >>> parse_threshold(0.5), parse_threshold("none"), parse_threshold(1.0000000000000002)
    (0.5, None, None)
    """
    if value == NOBODY or float(value) > 1:
        return None
    return float(value)


def format_threshold(threshold: Threshold, number_format: str = "") -> str:
    """Return a threshold for people and for tags.

    >>> format_threshold(0.25), format_threshold(1 / 3, "g"), format_threshold(None)
    ('0.25', '0.333333', 'none')
    """
    return NOBODY if threshold is None else format(threshold, number_format)
