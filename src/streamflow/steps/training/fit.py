"""Train a model on a training set, and predict the hold-out with it.

`train`, `reproduce` and `compare` share this. Nothing is written.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.threshold import Threshold, stored_threshold
from streamflow.core.training import holdout_probabilities
from streamflow.core.training.background import Background, build_background
from streamflow.core.training.calibration import fit_calibrator
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import (
    HIGHEST_F1,
    MOST_VALUE,
    RULE_SET,
    Decision,
    Economics,
    best_f1_threshold,
    best_threshold,
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
from streamflow.settings import Settings, require_whole_money
from streamflow.steps.training.training_side import (
    evaluate_holdout,
    find_holdout,
    stack_training_sides,
    validate_forward,
)

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from streamflow.models.model_selection import Candidate, TrainingRows


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
    """Split by hash of the key, train and calibrate a model, and score the hold-out.

    The kind of the model, the calibrator and the threshold come from the training side alone; the
    hold-out gives only the metrics. The training side has the rows of every month, the hold-out
    those of the newest month; a user is on one side in all months.
    Raises TrainingImpossible when all rows of a side are of the same class.
    """
    from streamflow.models.predictor import compile_predictor

    settings = platform.settings
    holdout = find_holdout(settings, rows)
    holdout_matrix = rows.matrix.filter(pl.Series(holdout))
    holdout_label = rows.labels[holdout]
    training_side = stack_training_sides(platform, rows)
    begin = time.perf_counter()
    chosen, candidates = _choose_kind(platform, training_side)
    pipeline = training_side.fit(chosen.kind, leaf_size=chosen.leaf_size)
    decision = _decide(settings, training_side.judged_label, chosen.out_of_fold, len(rows.frame))
    training_seconds = time.perf_counter() - begin
    predict = compile_predictor(pipeline, decision).probability
    probability = predict(holdout_matrix)
    threshold = decision.threshold
    metrics = evaluate_holdout(settings, holdout_label, probability, threshold)
    costs = measure_default_costs(
        platform.catalog.features, holdout_matrix, holdout_label, predict, threshold=threshold
    )
    return Fitted(
        pipeline=pipeline,
        kind=chosen.kind,
        candidates=candidates,
        decision=decision,
        training_keys=training_side.keys.unique().sort(),
        holdout=holdout,
        probability=probability,
        probes=choose_probes(holdout_matrix, probability),
        background=_summarize(platform, training_side.frame),
        metrics=metrics,
        default_costs=costs,
        training_seconds=training_seconds,
        forward=validate_forward(settings, training_side, chosen, decision, rows),
    )


def _summarize(platform: Platform, training_matrix: pl.DataFrame) -> Background:
    """Summarise the training side; the reasons of a prediction are given against this summary."""
    categorical = [
        feature.name for feature in platform.catalog.features if feature.column.categorical
    ]
    return build_background(training_matrix, categorical)


def _choose_kind(
    platform: Platform,
    training_side: TrainingRows,
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """Return the kind of model to train, and the candidates that were compared.

    The chosen kind has out-of-fold probabilities if calibrator or threshold are learned from them.
    """
    from streamflow.models.model_selection import (
        Candidate,
        choose_kind,
        choose_leaf_size,
        cross_validate,
    )

    settings = platform.settings
    if settings.model == "auto":
        return choose_kind(training_side, salt=settings.split_salt, notify=platform.notify)
    if settings.calibration == "none" and settings.threshold not in ("value", "f1"):
        leaf_size = choose_leaf_size(training_side, settings.model, salt=settings.split_salt)
        nothing = np.empty(0)
        return Candidate(kind=settings.model, aucs=(), out_of_fold=nothing, leaf_size=leaf_size), ()
    return cross_validate(training_side, settings.model, salt=settings.split_salt), ()


def _decide(
    settings: Settings,
    label: NDArray[np.int8],
    out_of_fold: NDArray[np.float64],
    total_rows: int,
) -> Decision:
    """Fit the calibrator, and set the threshold.

    Where the threshold is learned, it is the one with the most value, or the highest F1, on
    out-of-fold probabilities.
    """
    if settings.calibration == "isotonic":
        calibrator = fit_calibrator(out_of_fold, label)
    else:
        calibrator = Calibrator()
    economics = economics_of(settings)
    threshold: Threshold
    if settings.threshold == "value":
        assert economics is not None  # require_whole_money refuses the settings otherwise
        calibrated = calibrator.apply(out_of_fold)
        threshold = best_threshold(label, calibrated, economics, budget_rows=total_rows)
        rule = MOST_VALUE
    elif settings.threshold == "f1":
        threshold = best_f1_threshold(label, calibrator.apply(out_of_fold))
        rule = HIGHEST_F1
    else:
        threshold = settings.threshold
        rule = RULE_SET
    return Decision(threshold=threshold, rule=rule, calibrator=calibrator, economics=economics)


def economics_of(settings: Settings) -> Economics | None:
    """Return what an offer brings and costs, as this installation sets it; None if it does not.

    Raises SettingsInvalid if it sets a part of it only.
    """
    require_whole_money(settings)
    if settings.kept_value is None or settings.offer_cost is None or settings.offer_success is None:
        return None
    return Economics(
        kept_value=settings.kept_value,
        offer_cost=settings.offer_cost,
        offer_success=settings.offer_success,
        offer_budget=settings.offer_budget,
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
