"""The probabilities of the hold-out rows as a file without keys: numpy's own format, never a pickle."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

FILE = "holdout_probabilities.npy"  # in the order of the keys, which are derived again from the frozen rows

Floats = NDArray[np.float64]


def digest(probability: Floats) -> str:
    """sha256 over the probabilities, as big-endian float64."""
    return sha256(probability.astype(">f8").tobytes()).hexdigest()


def to_bytes(probability: Floats) -> bytes:
    """The file."""
    file = BytesIO()
    np.save(file, probability.astype(">f8"), allow_pickle=False)
    return file.getvalue()


def from_bytes(data: bytes) -> Floats:
    """The probabilities in the file. Raises ValueError when it holds no row of numbers.

    >>> from_bytes(to_bytes(np.array([0.25, 1.0]))).tolist()
    [0.25, 1.0]
    """
    found = np.load(BytesIO(data), allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind != "f":
        raise ValueError("it holds no row of probabilities")
    return found.astype(np.float64)


def largest_difference(a: Floats, b: Floats) -> float:
    """The largest absolute difference, row by row; infinite when they are not equally many, or one holds no number.

    >>> largest_difference(np.array([0.25, 0.5]), np.array([0.25, 0.75])), largest_difference(np.array([0.5]), np.array([]))
    (0.25, inf)
    """
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.max(np.abs(a - b), initial=0.0))
