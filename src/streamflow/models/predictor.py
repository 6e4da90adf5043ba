"""The predictor: the one object that answers online, in batch and in `score`, so that those agree bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.models.baseline import FOREST, encoder_of
from streamflow.models.encoder import Encoder, Value

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A compiled forest behind its encoder. `threshold` is the probability from which on the prediction is 1."""

    encoder: Encoder
    forest: Any  # treelite.Model, which is untyped
    threshold: float

    @property
    def features(self) -> tuple[str, ...]:
        """The raw features, in the order that `probability_one` takes them."""
        return self.encoder.features

    def probability(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """The probability of each row; the frame's columns are found by name; shape (n,)."""
        return self._compiled(self.encoder.matrix(frame))

    def probability_one(self, values: Sequence[Value]) -> float:
        """The probability of one row of raw values, in the order of `features`."""
        return float(self._compiled(self.encoder.row(values))[0])

    def _compiled(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cast to float32 first, as scikit-learn does itself: then both give the same bits. One thread: trap 11."""
        import treelite

        if len(matrix) == 0:
            return np.empty(0)
        answer = treelite.gtil.predict(self.forest, matrix.astype(np.float32), nthread=1)
        return np.ascontiguousarray(answer[:, 0, 1])


def compile_predictor(pipeline: Pipeline, *, threshold: float) -> Predictor:
    """The predictor of a fitted baseline."""
    import treelite

    forest = treelite.sklearn.import_model(pipeline.named_steps[FOREST])
    return Predictor(encoder=encoder_of(pipeline), forest=forest, threshold=threshold)
