"""Columns of a matrix that have no value in any row, for estimators that refuse them."""

from __future__ import annotations

import numpy as np

from streamflow.models.encoder import Matrix


def fill_empty_columns(matrix: Matrix) -> Matrix:
    """Return the matrix, (n, width), with zeros in the columns that have no value in any row.

    It is copied only if it has such a column.

    >>> fill_empty_columns(np.array([[1.0, np.nan, np.nan], [2.0, np.nan, 3.0]])).tolist()
    [[1.0, 0.0, nan], [2.0, 0.0, 3.0]]
    """
    # Few columns have no value in the first row, and only these are looked at as a whole.
    candidates = np.flatnonzero(np.isnan(matrix[0]))
    empty_columns = [column for column in candidates if np.isnan(matrix[:, column]).all()]
    if not empty_columns:
        return matrix
    filled = matrix.copy(order="K")
    filled[:, empty_columns] = 0.0
    return filled
