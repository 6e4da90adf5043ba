"""Fitted estimators as they answer: fast, without a thread, and the same bits for one row as for many."""

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
Compiled = Callable[
    [Floats], Floats
]  # the encoder's matrix (n, width), n > 0 -> probabilities (n,)


def compiled(pipeline: Pipeline) -> Compiled:
    """What a fitted pipeline does behind its encoder: a forest to the bit, the others to 1e-12."""
    names = pipeline.named_steps
    if FOREST in names:
        return Forest(names[FOREST])
    return _boosting(names[BOOSTING]) if BOOSTING in names else _logistic(pipeline)


def _boosting(boosting: Any) -> Compiled:
    import treelite

    model = treelite.sklearn.import_model(boosting)
    return lambda matrix: np.ascontiguousarray(
        treelite.gtil.predict(model, matrix, nthread=1)[:, 0, 0]
    )


def _logistic(pipeline: Pipeline) -> Compiled:
    """Column by column: a matrix product adds up a batch in another order than one row."""
    from scipy.special import expit

    means, scale, (weights, intercept) = linear_parts(pipeline)

    def answer(matrix: Floats) -> Floats:
        total = np.full(len(matrix), intercept)
        for column, (mean, centre, spread, weight) in enumerate(
            zip(means, *scale, weights, strict=True)
        ):
            values = matrix[:, column]
            total += (np.where(np.isnan(values), mean, values) - centre) / spread * weight
        return np.asarray(expit(total))

    return answer


def linear_parts(pipeline: Pipeline) -> tuple[Floats, tuple[Floats, Floats], tuple[Floats, float]]:
    """What a logistic regression has learned: value for a null, (centre, spread), (weights, intercept), each per column."""
    impute, scale, regression = (step for _, step in pipeline.steps[1:])
    return (
        impute.statistics_,
        (scale.mean_, scale.scale_),
        (regression.coef_[0], float(regression.intercept_[0])),
    )
