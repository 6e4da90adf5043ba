"""What a leaf adds to the columns, for each pattern of its path: see `pattern_shap`."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from streamflow.models.model_kind import Floats

Singles = NDArray[np.float32]

#: The most columns of a path: a pattern has 16 bits. A tree with a longer path is not for this way.
MAX_COLUMNS = 16
#: The most numbers of a table, for a matrix with many columns.
MAX_TABLE_NUMBERS = 4_000_000


class TableBuilder:
    """Builds the tables of leaves, one after the other, in the same memory.

    Args:
        most_columns: the largest number of columns of a path.
        width: the number of columns of the matrix.
    """

    def __init__(self, most_columns: int, width: int) -> None:
        patterns = np.arange(1 << most_columns)
        positions = np.arange(most_columns)[:, np.newaxis]
        # Whether the column at a position fits, for each pattern.
        self._fits = (patterns >> positions & 1).astype(np.bool_)
        self._width = width
        self._table = np.empty(len(patterns) * width, dtype=np.float32)

    def build(
        self,
        columns: tuple[int, ...],
        shares: tuple[float, ...],
        value: float,
    ) -> Singles:
        """Return what a leaf adds to each column, for each pattern of its path.

        Args:
            columns: the columns of the path. The first one has the lowest bit of a pattern.
            shares: for each of them the share of training rows that went this way.
            value: the value of the leaf.

        Returns:
            (patterns, width). It is overwritten by the next table.
        """
        path_columns = len(columns)
        patterns = 1 << path_columns
        share = np.array(shares)[:, np.newaxis]
        points, weights = quadrature(path_columns)
        lost_factor = share * (1 - points)
        known_factor = lost_factor + points
        middle = path_columns // 2
        low = _multiply(lost_factor[:middle], known_factor[:middle], value * weights)
        high = _multiply(lost_factor[middle:], known_factor[middle:], np.ones_like(weights))
        products = (high[:, :, np.newaxis] * low[:, np.newaxis]).reshape(len(points), patterns)
        # The factor of a column is replaced by what the column adds.
        if_lost = _single(-share / lost_factor) @ products
        if_known = _single((1 - share) / known_factor) @ products
        terms = np.where(self._fits[:path_columns, :patterns], if_known, if_lost)
        table = self._table[: patterns * self._width].reshape(patterns, self._width)
        table.fill(0)
        table[:, columns] = terms.T
        return table


def _multiply(lost_factor: Floats, known_factor: Floats, first: Floats) -> Singles:
    """Return the product of the factors of some columns for each pattern, (points, patterns).

    Args:
        lost_factor: the factor of each column that does not fit, (columns, points).
        known_factor: the factor of each column that fits, (columns, points).
        first: what every product begins with, (points,).
    """
    products = _single(first)[:, np.newaxis]
    factors = _single(np.stack([lost_factor, known_factor], axis=2))
    for factor in factors:
        pairs = factor[:, :, np.newaxis] * products[:, np.newaxis]
        products = pairs.reshape(len(first), -1)
    return products


def _single(numbers: Floats) -> Singles:
    return numbers.astype(np.float32)


def max_path_columns(width: int) -> int:
    """Return how many columns a path may have, for a matrix of this width.

    >>> max_path_columns(20), max_path_columns(500)
    (16, 12)
    """
    return min(MAX_COLUMNS, (MAX_TABLE_NUMBERS // width).bit_length() - 1)


@cache
def quadrature(most_columns: int) -> tuple[Floats, Floats]:
    """Return the points and the weights that are exact for a path with so many columns."""
    points, weights = np.polynomial.legendre.leggauss(max(1, (most_columns + 1) // 2))
    return (points + 1) / 2, weights / 2
