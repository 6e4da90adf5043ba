"""A logistic regression on standardised columns. A null counts as the mean of its column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamflow.models.model_kind import (
    LOG_ODDS,
    Contributions,
    FitOptions,
    Floats,
    LearnedContent,
    ModelKind,
)
from streamflow.models.portable import linear
from streamflow.models.portable.linear import read_linear_model

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

IMPUTE = "impute"
SCALE = "scale"
LOGISTIC = "logistic"


def _create(options: FitOptions) -> list[tuple[str, Any]]:
    """Create the steps that fill nulls, standardise the columns and fit the regression."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(max_iter=1000, random_state=options.seed)
    return [
        (IMPUTE, SimpleImputer(keep_empty_features=True)),
        (SCALE, StandardScaler()),
        (LOGISTIC, regression),
    ]


def _read_learned(pipeline: Pipeline) -> LearnedContent:
    """Return the values that replace nulls, the centres, the spreads and the weights."""
    fill_values, scale, (weights, intercept) = read_linear_model(pipeline)
    return LearnedContent(
        format_name="streamflow logistic 1",
        header_fields={"intercept": intercept},
        arrays=((array, ">f8") for array in (fill_values, *scale, weights)),
    )


def _require_bounds(pipeline: Pipeline, width: int) -> None:
    """Check that there is one number of each kind for each column of the encoder's matrix."""
    fill_values, scale, (weights, _) = read_linear_model(pipeline)
    for array in (fill_values, *scale, weights):
        if array.shape != (width,) or array.dtype != np.float64:
            raise ValueError(f"the regression does not have a number for each of {width} columns")


def _compute_terms(pipeline: Pipeline, matrix: Floats) -> Contributions:
    """Return the terms of a logistic regression: weight times distance from the training mean.

    A null counts as the value that replaced it in training.
    """
    fill_values, (centre, spread), (weights, intercept) = read_linear_model(pipeline)
    columns = (np.where(np.isnan(matrix), fill_values, matrix) - centre) / spread * weights
    margin = np.full(len(matrix), intercept)
    for column in range(columns.shape[1]):  # one after another, as the compiled model does
        margin += columns[:, column]
    return Contributions(base=intercept, margin=margin, columns=columns)


KIND = ModelKind(
    name="logistic",
    rank=1,
    steps=(IMPUTE, SCALE, LOGISTIC),
    create=_create,
    code=linear,
    tolerance=1e-12,
    read_learned=_read_learned,
    require_bounds=_require_bounds,
    trusted_types=(
        "sklearn.impute._base.SimpleImputer",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.preprocessing._data.StandardScaler",
    ),
    margin_unit=LOG_ODDS,
    compute_terms=_compute_terms,
)
