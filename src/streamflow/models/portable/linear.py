"""A logistic regression on standardised columns that adds up its terms column by column.

A matrix product would add up a batch in a different order than a single row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def read_linear_model(pipeline: Any) -> tuple[Floats, tuple[Floats, Floats], tuple[Floats, float]]:
    """Return what a logistic regression has learned.

    Args:
        pipeline: a fitted pipeline: an encoder, then imputer, scaler and regression.

    Returns:
        The value that replaces a null, then (centre, spread), then (weights, intercept). All but
        the intercept are arrays with a value per column.
    """
    impute, scale, regression = (step for _, step in pipeline.steps[1:])
    return (
        impute.statistics_,
        (scale.mean_, scale.scale_),
        (regression.coef_[0], float(regression.intercept_[0])),
    )


def compile_model(pipeline: Any) -> Callable[[Floats], Floats]:
    """Compile the steps after the encoder: matrix (n, width) -> probability of class 1, (n,)."""
    from scipy.special import expit

    fill_values, scale, (weights, intercept) = read_linear_model(pipeline)

    def predict(matrix: Floats) -> Floats:
        total = np.full(len(matrix), intercept)
        for column, (fill_value, centre, spread, weight) in enumerate(
            zip(fill_values, *scale, weights, strict=True)
        ):
            values = matrix[:, column]
            total += (np.where(np.isnan(values), fill_value, values) - centre) / spread * weight
        return np.asarray(expit(total))

    return predict
