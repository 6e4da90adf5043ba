"""A model that only ranks, and is not kept: quick to fit, to see whether what it learned of one drop holds in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.models.encoder import Category, Encoder

Rank = Callable[[pl.DataFrame], NDArray[np.float64]]


def fit_ranking(frame: pl.DataFrame, label: NDArray[np.bool_], features: Sequence[Feature]) -> Rank:
    """A logistic regression of `frame` (n, features) on `label` (n,) of both classes, as the function that scores other rows."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    categories = {f.name: _categories(frame[f.name]) for f in features if f.column.categorical}
    encoder = Encoder(features=tuple(f.name for f in features), categories=categories)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000))
    with threadpool_limits(1):  # of BLAS: a sum in another order has other last bits
        model.fit(encoder.matrix(frame), label)

    def rank(other: pl.DataFrame) -> NDArray[np.float64]:
        with threadpool_limits(1):
            return np.asarray(model.decision_function(encoder.matrix(other)), dtype=np.float64)

    return rank


def _categories(values: pl.Series) -> tuple[Category, ...]:
    plain: list[Any] = values.unique().sort().to_list()
    return tuple(v if v is None or isinstance(v, str) else float(v) for v in plain)
