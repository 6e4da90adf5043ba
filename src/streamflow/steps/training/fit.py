"""Train a model on a training set, and predict the hold-out with it.

`train`, `reproduce` and `compare` share this. Nothing is written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import HoldoutMetrics, evaluate
from streamflow.core.statistics.threshold import Threshold, stored_threshold
from streamflow.core.training import holdout_probabilities
from streamflow.core.training.background import Background, build_background
from streamflow.core.training.decision import (
    Decision,
)
from streamflow.core.training.default_costs import DefaultCost, measure_default_costs, to_bytes
from streamflow.core.training.stored_requests import Probes, choose_probes
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import summarize_keys, summarize_training_set
from streamflow.core.versions.version_files import (
    BACKGROUND,
    DECISION,
    DEFAULT_COSTS,
    HOLDOUT_PROBABILITIES,
    STORED_REQUESTS,
    place_digests,
)
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.steps.training.learn import Learned, learn

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from streamflow.models.model_selection import Candidate
    from streamflow.models.training_rows import TrainingRows


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained model and its probabilities for the hold-out.

    All of it is derived from a training set and the semantic settings.

    kind           the kind of the model, chosen among `candidates` where the setting is auto
    background     a summary of the training side, against which reasons are given
    training_keys  the keys of the training side of any month, each one once, in their order
    holdout        (n,)  which rows of the newest month are on the hold-out side
    probability    (m,)  for the rows of the hold-out, in their order
    default_costs  what the catalog's defaults would cost on the hold-out; empty without defaults
    forward        the metrics of a model of the months before, on the same hold-out; None where
                   no month was known before the newest one
    """

    pipeline: Pipeline
    kind: str
    candidates: tuple[Candidate, ...]
    decision: Decision
    training_keys: pl.Series
    holdout: NDArray[np.bool_]
    probability: NDArray[np.float64]
    probes: Probes
    background: Background
    metrics: HoldoutMetrics
    default_costs: tuple[DefaultCost, ...]
    training_seconds: float
    forward: HoldoutMetrics | None = None

    @property
    def predictions_digest(self) -> str:
        """The sha256 over the probabilities of the hold-out."""
        return holdout_probabilities.digest(self.probability)

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the version that are made of the fit, by name, without the model's file."""
        files = {
            DECISION.name: self.decision.content,
            BACKGROUND.name: self.background.content,
            STORED_REQUESTS.name: self.probes.content,
            HOLDOUT_PROBABILITIES.name: holdout_probabilities.to_bytes(self.probability),
        }
        if self.default_costs:
            files[DEFAULT_COSTS.name] = to_bytes(self.default_costs)
        return files


def fit(platform: Platform, rows: TrainingSet) -> Fitted:
    """Train and calibrate a model, and measure it on the hold-out.

    Raises TrainingImpossible when all rows of a side are of the same class.
    """
    learned = learn(platform, rows)
    holdout_matrix = rows.matrix.filter(pl.Series(learned.holdout))
    holdout_label = rows.labels[learned.holdout]
    threshold = learned.decision.threshold
    metrics = evaluate_holdout(platform.settings, holdout_label, learned.probability, threshold)
    costs = measure_default_costs(
        platform.catalog.features,
        holdout_matrix,
        holdout_label,
        learned.predict,
        threshold=threshold,
    )
    return Fitted(
        pipeline=learned.pipeline,
        kind=learned.chosen.kind,
        candidates=learned.candidates,
        decision=learned.decision,
        training_keys=learned.training_side.keys.unique().sort(),
        holdout=learned.holdout,
        probability=learned.probability,
        probes=choose_probes(holdout_matrix, learned.probability),
        background=_summarize(platform, learned.training_side),
        metrics=metrics,
        default_costs=costs,
        training_seconds=learned.training_seconds,
        forward=_validate_forward(platform.settings, learned, holdout_matrix, holdout_label),
    )


def _validate_forward(
    settings: Settings,
    learned: Learned,
    holdout_matrix: pl.DataFrame,
    holdout_label: NDArray[np.int8],
) -> HoldoutMetrics | None:
    """Train on the months before the newest one, and judge on the hold-out of the newest one.

    Kind of model, leaf size, calibrator and threshold are those of the version.

    Returns:
        None where no month was known before the newest one
    """
    from streamflow.models.predictor import compile_predictor

    training_side = learned.training_side
    if training_side.months is None:
        return None
    chosen = learned.chosen
    pipeline = training_side.fit(
        chosen.kind, training_side.months.is_before, leaf_size=chosen.leaf_size
    )
    probability = compile_predictor(pipeline, learned.decision).probability(holdout_matrix)
    return evaluate_holdout(settings, holdout_label, probability, learned.decision.threshold)


def _summarize(platform: Platform, training_side: TrainingRows) -> Background:
    """Summarise the training side; the reasons of a prediction are given against this summary."""
    categorical = [
        feature.name for feature in platform.catalog.features if feature.column.categorical
    ]
    return build_background(training_side.frame.read_columns(), categorical)


def evaluate_holdout(
    settings: Settings,
    label: NDArray[np.int8],
    probability: NDArray[np.float64],
    threshold: Threshold,
) -> HoldoutMetrics:
    """Measure the probabilities of a hold-out, with the seed and the draws of the settings.

    Raises TrainingImpossible when all of its rows are of the same class.
    """
    return evaluate(
        label,
        probability,
        threshold=threshold,
        seed=settings.seed,
        draws=settings.bootstrap_draws,
    )


def result_of(rows: TrainingSet, fitted: Fitted) -> dict[str, Any]:
    """Return what was derived, as a passport stores it, without the digests of the model.

    It has `default_costs` only where the catalog declares defaults, and `forward` only where
    months were known before the newest one.
    """
    keys = rows.frame[rows.key].cast(pl.String)
    digests = place_digests(fitted.files)
    digests["decision"]["threshold"] = stored_threshold(fitted.decision.threshold)
    return {
        "training_set": summarize_training_set(rows),
        "training_keys": summarize_keys(fitted.training_keys.cast(pl.String)),
        "holdout_keys": summarize_keys(keys.filter(pl.Series(fitted.holdout))),
        "model_kind": fitted.kind,
        "candidates": {candidate.kind: list(candidate.aucs) for candidate in fitted.candidates},
        "metrics": asdict(fitted.metrics),
        **({"forward": asdict(fitted.forward)} if fitted.forward else {}),
        **digests,
    }
