"""From a training set to a model and what it says of the hold-out: shared by train, reproduce and compare. Nothing is written."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core import probabilities
from streamflow.core.metrics import Metrics, evaluate
from streamflow.core.passport import keys_result, training_set_result
from streamflow.core.split import is_holdout
from streamflow.core.training_set import TrainingSet
from streamflow.platform import Platform

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model and what it says of the hold-out: all of it derived from a training set and the semantic settings.

    holdout        (n,)  which rows of the training set are on the hold-out side
    probability    (m,)  for the rows of the hold-out, in their order
    """

    pipeline: Pipeline
    holdout: NDArray[np.bool_]
    probability: NDArray[np.float64]
    metrics: Metrics
    training_seconds: float

    @property
    def predictions_digest(self) -> str:
        """sha256 over the probabilities of the hold-out."""
        return probabilities.digest(self.probability)


def fit(platform: Platform, rows: TrainingSet) -> Fitted:
    """Split by hash of the key, fit the baseline, score the hold-out.

    Raises TrainingImpossible when a side holds one class only.
    """
    from streamflow.models.baseline import fit_baseline
    from streamflow.models.predictor import compile_predictor

    settings, features = platform.settings, platform.catalog.features
    holdout = is_holdout(rows.frame[rows.key], salt=settings.split_salt, share=settings.holdout_share)
    matrix, label = rows.matrix, rows.labels
    begin = time.perf_counter()
    pipeline = fit_baseline(
        matrix.filter(pl.Series(~holdout)), label[~holdout], features=features, trees=settings.trees, seed=settings.seed
    )
    seconds = time.perf_counter() - begin
    probability = compile_predictor(pipeline, threshold=settings.threshold).probability(matrix.filter(pl.Series(holdout)))
    metrics = evaluate(
        label[holdout], probability, threshold=settings.threshold, seed=settings.seed, draws=settings.bootstrap_draws
    )
    return Fitted(pipeline=pipeline, holdout=holdout, probability=probability, metrics=metrics, training_seconds=seconds)


def result_of(rows: TrainingSet, fitted: Fitted) -> dict[str, Any]:
    """What was derived, as a passport holds it: all but the model's own digests."""
    keys = rows.frame[rows.key].cast(pl.String)
    return {
        "training_set": training_set_result(rows),
        "training_keys": keys_result(keys.filter(pl.Series(~fitted.holdout))),
        "holdout_keys": keys_result(keys.filter(pl.Series(fitted.holdout))),
        "predictions": fitted.predictions_digest,
        "metrics": asdict(fitted.metrics),
    }
