"""The predictor, which gives every answer of a model: online, in batch and in `score`.

All answers come from this one object, so they agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamflow.core.statistics.threshold import Threshold
from streamflow.core.training.background import Background
from streamflow.core.training.decision import Decision
from streamflow.models.compiled_model import compile_model
from streamflow.models.encoder import Encoder, Value
from streamflow.models.explainer import Explainer
from streamflow.models.kinds import kind_of
from streamflow.models.model_kind import CompiledModel
from streamflow.models.pipelines import encoder_of

if TYPE_CHECKING:
    import polars as pl
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A compiled model with its encoder and its decision.

    Attributes:
        encoder: turns raw values into the matrix of the model.
        model: computes probabilities before calibration.
        decision: calibrates the probabilities, and has the threshold.
        explainer: computes the reasons of an answer.
        background: the usual values of the training rows, to compare with. None for a version that
            was trained without it.
    """

    encoder: Encoder
    model: CompiledModel
    decision: Decision
    explainer: Explainer
    background: Background | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Return the raw features, in the order in which `probability_one` takes their values."""
        return self.encoder.features

    @property
    def threshold(self) -> Threshold:
        """Return the probability from which on the prediction is 1; None: it never is."""
        return self.decision.threshold

    def probability(self, frame: pl.DataFrame) -> Floats:
        """Return the calibrated probability of each row, (n,). Columns are found by name."""
        return self.without_reasons(frame)

    @property
    def without_reasons(self) -> Callable[[pl.DataFrame], Floats]:
        """Return `probability` without the parts for reasons: they are most of a forest."""
        return partial(_predict_frame, self.encoder, self.model, self.decision)

    def probability_rows(self, rows: Sequence[Sequence[Value]]) -> Floats:
        """Return the calibrated probability of rows of raw values, (n,).

        Each row has its values in the order of `features`.
        """
        return _predict(self.model, self.decision, self.encoder.encode_rows(rows))

    def probability_one(self, values: Sequence[Value]) -> float:
        """Return the calibrated probability of one row of values in the order of `features`."""
        return float(self.probability_rows([values])[0])

    def prepare_for_requests(self) -> Predictor:
        """Return this predictor, faster for few rows, with the same bits.

        Only a process that answers many requests needs it: it takes about a second, and memory.
        """
        prepare = kind_of(self.explainer.pipeline).for_requests
        return self if prepare is None else replace(self, model=prepare(self.model))


def _predict_frame(
    encoder: Encoder, model: CompiledModel, decision: Decision, frame: pl.DataFrame
) -> Floats:
    """Return the calibrated probability of each row. Columns are found by name."""
    return _predict(model, decision, encoder.encode_frame(frame))


def _predict(model: CompiledModel, decision: Decision, matrix: Floats) -> Floats:
    """Return the calibrated probability of each row of the encoder's matrix."""
    return decision.calibrator.apply(model(matrix)) if len(matrix) else np.empty(0)


def compile_predictor(
    pipeline: Pipeline,
    decision: Decision,
    background: Background | None = None,
) -> Predictor:
    """Create the predictor of a fitted pipeline."""
    return Predictor(
        encoder=encoder_of(pipeline),
        model=compile_model(pipeline),
        decision=decision,
        explainer=Explainer(pipeline=pipeline),
        background=background,
    )
