"""The predictor: the one object that answers online, in batch and in `score`, so that those agree bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.training.background import Background
from streamflow.core.training.decision import Decision
from streamflow.models.compiled_model import Compiled, compiled
from streamflow.models.encoder import Encoder, Value
from streamflow.models.explainer import Explainer
from streamflow.models.pipelines import encoder_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A compiled model between its encoder and its decision.

    explainer    why it says what it says
    background   the rows that it learned from, for comparison; None for a version that was made without
    """

    encoder: Encoder
    model: Compiled
    decision: Decision
    explainer: Explainer
    background: Background | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The raw features, in the order that `probability_one` takes them."""
        return self.encoder.features

    @property
    def threshold(self) -> float:
        """The probability from which on the prediction is 1."""
        return self.decision.threshold

    def probability(self, frame: pl.DataFrame) -> Floats:
        """The calibrated probability of each row; the frame's columns are found by name; shape (n,)."""
        return self._answer(self.encoder.matrix(frame))

    def probability_rows(self, rows: Sequence[Sequence[Value]]) -> Floats:
        """The calibrated probability of rows of raw values, each in the order of `features`; shape (n,)."""
        return self._answer(self.encoder.rows(rows))

    def probability_one(self, values: Sequence[Value]) -> float:
        """The calibrated probability of one row of raw values, in the order of `features`."""
        return float(self.probability_rows([values])[0])

    def _answer(self, matrix: Floats) -> Floats:
        return self.decision.calibrator.apply(self.model(matrix)) if len(matrix) else np.empty(0)


def compile_predictor(
    pipeline: Pipeline, decision: Decision, background: Background | None = None
) -> Predictor:
    """The predictor of a fitted pipeline."""
    return Predictor(
        encoder=encoder_of(pipeline),
        model=compiled(pipeline),
        decision=decision,
        explainer=Explainer(pipeline=pipeline),
        background=background,
    )
