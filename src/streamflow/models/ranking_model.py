"""A model that only ranks rows and is not stored.

It is quick to fit. It shows whether what a model learns from one drop is also true in a different
drop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.models.compiled_model import compile_model
from streamflow.models.pipelines import encoder_of, fit_model

#: Rows (n, features) -> a number per row (n,): the higher, the more likely the label is 1.
Rank = Callable[[pl.DataFrame], NDArray[np.float64]]


def fit_ranking(frame: pl.DataFrame, label: NDArray[np.bool_], features: Sequence[Feature]) -> Rank:
    """Fit a logistic regression and return the function that ranks rows by it.

    Args:
        frame: (n, features)
        label: (n,) with rows of both classes.
        features: as the catalog declares them.
    """
    pipeline = fit_model("logistic", frame, label, features=features, trees=0, seed=0)
    encoder = encoder_of(pipeline)
    model = compile_model(pipeline)
    return lambda rows: model(encoder.encode_frame(rows))
