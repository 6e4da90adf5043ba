"""From a training set to a model and what it says of the hold-out: shared by train, reproduce and compare. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import Metrics, evaluate
from streamflow.core.training import holdout_probabilities
from streamflow.core.training.calibration import Calibrator, fit_calibrator
from streamflow.core.training.decision import Decision, Economics, best_threshold
from streamflow.core.training.default_costs import DefaultCost, content, default_costs
from streamflow.core.training.split import is_holdout
from streamflow.core.training.stored_requests import Probes, probes_of
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import keys_result, training_set_result
from streamflow.platform import Platform
from streamflow.settings import Settings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from streamflow.models.model_selection import Candidate, TrainingSide


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model and what it says of the hold-out: all of it derived from a training set and the semantic settings.

    kind           of the model, chosen among `candidates` where the setting is auto
    holdout        (n,)  which rows of the training set are on the hold-out side
    probability    (m,)  for the rows of the hold-out, in their order
    default_costs  what the catalog's defaults would cost there; empty where it declares none
    """

    pipeline: Pipeline
    kind: str
    candidates: tuple[Candidate, ...]
    decision: Decision
    holdout: NDArray[np.bool_]
    probability: NDArray[np.float64]
    probes: Probes
    metrics: Metrics
    default_costs: tuple[DefaultCost, ...]
    training_seconds: float

    @property
    def predictions_digest(self) -> str:
        """sha256 over the probabilities of the hold-out."""
        return holdout_probabilities.digest(self.probability)


def fit(
    platform: Platform, rows: TrainingSet, *, notify: Callable[[str], None] = lambda _: None
) -> Fitted:
    """Split by hash of the key, choose and fit a model, calibrate it, set its threshold, score the hold-out.

    All of it but the scores comes from the training side. Raises TrainingImpossible when a side holds one class only.
    """
    from streamflow.models.predictor import compile_predictor

    settings = platform.settings
    holdout = is_holdout(
        rows.frame[rows.key], salt=settings.split_salt, share=settings.holdout_share
    )
    held, label = rows.matrix.filter(pl.Series(holdout)), rows.labels[holdout]
    side = _training_side(platform, rows, ~holdout)
    begin = time.perf_counter()
    chosen, candidates = _kind(settings, side, notify)
    pipeline = side.fit(chosen.kind)
    decision = _decision(settings, side.label, chosen.out_of_fold, of=len(rows.frame))
    seconds = time.perf_counter() - begin
    answer = compile_predictor(pipeline, decision).probability
    probability = answer(held)
    metrics = evaluate(
        label,
        probability,
        threshold=decision.threshold,
        seed=settings.seed,
        draws=settings.bootstrap_draws,
    )
    return Fitted(
        pipeline=pipeline,
        kind=chosen.kind,
        candidates=candidates,
        decision=decision,
        holdout=holdout,
        probability=probability,
        probes=probes_of(held, probability),
        metrics=metrics,
        default_costs=default_costs(
            platform.catalog.features, held, label, answer, threshold=decision.threshold
        ),
        training_seconds=seconds,
    )


def _training_side(platform: Platform, rows: TrainingSet, side: NDArray[np.bool_]) -> TrainingSide:
    from streamflow.models.model_selection import TrainingSide

    keep = pl.Series(side)
    return TrainingSide(
        keys=rows.frame[rows.key].filter(keep),
        frame=rows.matrix.filter(keep),
        label=rows.labels[side],
        features=platform.catalog.features,
        trees=platform.settings.trees,
        seed=platform.settings.seed,
    )


def _kind(
    settings: Settings, side: TrainingSide, notify: Callable[[str], None]
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """The kind of model, with answers for rows that it had not seen where calibrator or threshold are learned from them."""
    from streamflow.models.model_selection import Candidate, candidate, choose

    if settings.model == "auto":
        return choose(side, salt=settings.split_salt, notify=notify)
    if settings.calibration == "none" and settings.threshold != "value":
        return Candidate(kind=settings.model, aucs=(), out_of_fold=np.empty(0)), ()
    return candidate(side, settings.model, salt=settings.split_salt), ()


def _decision(
    settings: Settings, label: NDArray[np.int8], out_of_fold: NDArray[np.float64], *, of: int
) -> Decision:
    """The calibrator, and the threshold that would have brought the most, both from answers for rows not seen."""
    calibrator = (
        fit_calibrator(out_of_fold, label) if settings.calibration == "isotonic" else Calibrator()
    )
    economics = economics_of(settings)
    if settings.threshold == "value":
        threshold = best_threshold(label, calibrator.apply(out_of_fold), economics, of=of)
        rule = "most value on out-of-fold predictions of the training side"
    else:
        threshold, rule = settings.threshold, "set"
    return Decision(threshold=threshold, rule=rule, calibrator=calibrator, economics=economics)


def economics_of(settings: Settings) -> Economics:
    """What offers bring and cost as this installation sets it."""
    names = ("kept_value", "offer_cost", "offer_success", "offer_budget")
    return Economics(**{name: getattr(settings, name) for name in names})


def result_of(rows: TrainingSet, fitted: Fitted) -> dict[str, Any]:
    """What was derived, as a passport holds it: all but the model's own digests. Defaults only where some are declared."""
    keys = rows.frame[rows.key].cast(pl.String)
    return {
        "training_set": training_set_result(rows),
        "training_keys": keys_result(keys.filter(pl.Series(~fitted.holdout))),
        "holdout_keys": keys_result(keys.filter(pl.Series(fitted.holdout))),
        "model_kind": fitted.kind,
        "candidates": {c.kind: list(c.aucs) for c in fitted.candidates},
        "decision": {"threshold": fitted.decision.threshold, "digest": fitted.decision.digest},
        "predictions": fitted.predictions_digest,
        "probes": sha256(fitted.probes.content).hexdigest(),
        "metrics": asdict(fitted.metrics),
        **(
            {"default_costs": sha256(content(fitted.default_costs)).hexdigest()}
            if fitted.default_costs
            else {}
        ),
    }
