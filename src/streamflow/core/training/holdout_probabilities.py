"""The probabilities of the hold-out rows as a file without keys.

The file has numpy's own format and is never a pickle.
"""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from math import prod

import numpy as np
from numpy.typing import NDArray

# In the order of the keys. The keys themselves are derived again from the frozen rows.
FILE = "holdout_probabilities.npy"

Floats = NDArray[np.float64]


def digest(probability: Floats) -> str:
    """Return the sha256 of the probabilities as big-endian float64."""
    return sha256(probability.astype(">f8").tobytes()).hexdigest()


def to_bytes(probability: Floats) -> bytes:
    """Return the file that holds these probabilities."""
    file = BytesIO()
    np.save(file, probability.astype(">f8"), allow_pickle=False)
    return file.getvalue()


def from_bytes(data: bytes) -> Floats:
    """Read the probabilities from the file.

    Raises:
        ValueError: The file is not a one-dimensional array of floats.

    >>> from_bytes(to_bytes(np.array([0.25, 1.0]))).tolist()
    [0.25, 1.0]
    """
    # Numpy makes an array of the declared shape before it reads one value.
    file = BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError("it is not in version 1.0 of numpy's format")
    shape, _, value_type = np.lib.format.read_array_header_1_0(file)
    if len(data) - file.tell() != prod(shape) * value_type.itemsize:
        raise ValueError("it does not have the size that it declares")
    array = np.load(BytesIO(data), allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind != "f":
        raise ValueError("it is not a one-dimensional array of probabilities")
    return array.astype(np.float64)


def largest_difference(a: Floats, b: Floats) -> float:
    """Return the largest absolute difference between two rows of probabilities.

    Returns:
        Infinity when the lengths differ, or when a value is not a finite number.

    >>> largest_difference(np.array([0.25, 0.5]), np.array([0.25, 0.75]))
    0.25
    >>> largest_difference(np.array([0.5]), np.array([]))
    inf
    """
    if a.shape != b.shape:
        return float("inf")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    distances = np.abs(a - b)
    return float(np.max(distances, initial=0.0))
