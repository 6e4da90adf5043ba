"""Gradient boosting that treelite evaluates, in one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def compile_model(pipeline: Any) -> Callable[[Floats], Floats]:
    """Compile the last step of a fitted pipeline: matrix (n, width) -> probability of class 1."""
    import treelite

    model = treelite.sklearn.import_model(pipeline.steps[-1][1])
    return lambda matrix: np.ascontiguousarray(
        treelite.gtil.predict(model, matrix, nthread=1)[:, 0, 0]
    )
