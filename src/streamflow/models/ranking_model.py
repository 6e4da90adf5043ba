"""A model that only ranks, and is not kept: quick to fit, to see whether what it learned of one drop holds in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.models.compiled_model import compiled
from streamflow.models.pipelines import encoder_of, fit_model

Rank = Callable[[pl.DataFrame], NDArray[np.float64]]


def fit_ranking(frame: pl.DataFrame, label: NDArray[np.bool_], features: Sequence[Feature]) -> Rank:
    """A logistic regression of `frame` (n, features) on `label` (n,) of both classes, as the function that scores other rows."""
    pipeline = fit_model("logistic", frame, label, features=features, trees=0, seed=0)
    encoder, model = encoder_of(pipeline), compiled(pipeline)
    return lambda other: model(encoder.matrix(other))
