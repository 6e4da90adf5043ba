"""Learn a model, a calibrator and a threshold from the training side of a training set.

`train`, `reproduce` and `compare` share this. Nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.threshold import Threshold
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
from streamflow.core.training.training_set import TrainingSet
from streamflow.platform import Platform
from streamflow.settings import Settings, require_whole_money
from streamflow.steps.training.training_side import find_holdout, stack_training_sides

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from streamflow.models.model_selection import Candidate
    from streamflow.models.training_rows import TrainingRows


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What is learned from the training side, and its probabilities for the hold-out.

    predict      gives the probabilities of a matrix
    holdout      (n,)  which rows of the newest month are on the hold-out side
    probability  (m,)  for the rows of the hold-out, in their order
    """

    pipeline: Pipeline
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    decision: Decision
    predict: Callable[[pl.DataFrame], NDArray[np.float64]]
    training_side: TrainingRows
    holdout: NDArray[np.bool_]
    probability: NDArray[np.float64]
    training_seconds: float


def learn(platform: Platform, rows: TrainingSet) -> Learned:
    """Split by hash of the key, train and calibrate a model, and predict the hold-out.

    The kind of the model, the calibrator and the threshold come from the training side alone. It
    has the rows of every month, the hold-out those of the newest one; a user is on one side in all
    months.
    Raises TrainingImpossible when all rows of the training side are of the same class.
    """
    from streamflow.models.predictor import compile_predictor

    settings = platform.settings
    holdout = find_holdout(settings, rows)
    training_side = stack_training_sides(platform, rows)
    begin = time.perf_counter()
    chosen, candidates = _choose_kind(platform, training_side)
    pipeline = training_side.fit(chosen.kind, leaf_size=chosen.leaf_size)
    decision = _decide(
        settings, training_side.judged_label, chosen.out_of_fold, total_rows=len(rows.frame)
    )
    training_seconds = time.perf_counter() - begin
    predict = compile_predictor(pipeline, decision).probability
    return Learned(
        pipeline=pipeline,
        chosen=chosen,
        candidates=candidates,
        decision=decision,
        predict=predict,
        training_side=training_side,
        holdout=holdout,
        probability=predict(rows.matrix.filter(pl.Series(holdout))),
        training_seconds=training_seconds,
    )


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
        candidate = Candidate(
            kind=settings.model, aucs=(), briers=(), out_of_fold=nothing, leaf_size=leaf_size
        )
        return candidate, ()
    return cross_validate(training_side, settings.model, salt=settings.split_salt), ()


def _decide(
    settings: Settings,
    label: NDArray[np.int8],
    out_of_fold: NDArray[np.float64],
    *,
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
