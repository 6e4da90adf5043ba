"""Compile fitted estimators into functions that predict.

A compiled model is fast and needs no thread. It gives the same bits for a row alone and for the
same row in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamflow.models.forest import Forest
from streamflow.models.pipelines import BOOSTING, FOREST

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]
#: The encoder's matrix (n, width) with n > 0 -> probabilities (n,).
CompiledModel = Callable[[Floats], Floats]


def compile_model(pipeline: Pipeline) -> CompiledModel:
    """Compile the part of a fitted pipeline that follows the encoder.

    A forest gives the bits of scikit-learn. The answers of all different kinds are within 1e-12 of
    scikit-learn's.
    """
    steps = pipeline.named_steps
    if FOREST in steps:
        return Forest(steps[FOREST])
    return _compile_boosting(steps[BOOSTING]) if BOOSTING in steps else _compile_logistic(pipeline)


def _compile_boosting(boosting: Any) -> CompiledModel:
    """Compile gradient boosting with treelite."""
    import treelite

    model = treelite.sklearn.import_model(boosting)
    return lambda matrix: np.ascontiguousarray(
        treelite.gtil.predict(model, matrix, nthread=1)[:, 0, 0]
    )


def _compile_logistic(pipeline: Pipeline) -> CompiledModel:
    """Compile a logistic regression that adds up its terms column by column.

    A matrix product would add up a batch in a different order than a single row.
    """
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


def read_linear_model(
    pipeline: Pipeline,
) -> tuple[Floats, tuple[Floats, Floats], tuple[Floats, float]]:
    """Return what a logistic regression has learned.

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
