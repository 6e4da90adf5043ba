"""The rows that a version learns from: the training side of every month.

Also how a model of the months before does on the newest month.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import HoldoutMetrics, evaluate
from streamflow.core.statistics.threshold import Threshold
from streamflow.core.training.decision import Decision
from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import TrainingSet
from streamflow.platform import Platform
from streamflow.settings import Settings

if TYPE_CHECKING:
    from streamflow.models.model_selection import Candidate, ForwardMonths, TrainingRows


def find_holdout(settings: Settings, rows: TrainingSet) -> NDArray[np.bool_]:
    """Return which rows of the newest month are on the hold-out side, (n,)."""
    keys = rows.frame[rows.key]
    return is_holdout(keys, salt=settings.split_salt, share=settings.holdout_share)


def stack_training_sides(platform: Platform, rows: TrainingSet) -> TrainingRows:
    """Stack the training side of every month, the oldest first."""
    from streamflow.models.model_selection import TrainingRows

    month_frames = [
        month.frame.filter(pl.Series(~find_holdout(platform.settings, month)))
        for month in rows.months
    ]
    frame = pl.concat(month_frames, rechunk=True)
    return TrainingRows(
        keys=frame[rows.key],
        frame=frame.select(rows.features),
        label=frame[rows.label].cast(pl.Int8).to_numpy(),
        features=platform.catalog.features,
        trees=platform.settings.trees,
        seed=platform.settings.seed,
        months=_forward_months(rows, [len(month_frame) for month_frame in month_frames]),
    )


def _forward_months(rows: TrainingSet, row_counts: list[int]) -> ForwardMonths | None:
    """Say which rows of the training side are of the newest month, and which were known before it.

    Args:
        row_counts: the number of rows of each month

    Returns:
        None where the labels of no month are dated up to the newest month
    """
    from streamflow.models.model_selection import ForwardMonths

    is_before = np.array([
        month.label_as_of <= rows.as_of and month is not rows for month in rows.months
    ])  # fmt: skip
    if not is_before.any():
        return None
    is_newest = np.arange(len(row_counts)) == len(row_counts) - 1
    return ForwardMonths(
        is_newest=np.repeat(is_newest, row_counts), is_before=np.repeat(is_before, row_counts)
    )


def validate_forward(
    settings: Settings,
    training_side: TrainingRows,
    chosen: Candidate,
    decision: Decision,
    rows: TrainingSet,
) -> HoldoutMetrics | None:
    """Train on the months before the newest one, and judge on the hold-out of the newest one.

    Args:
        chosen: the kind of model and its leaf size
        decision: of the version
        rows: the training set

    Returns:
        None where no month was known before the newest one
    """
    from streamflow.models.predictor import compile_predictor

    if training_side.months is None:
        return None
    pipeline = training_side.fit(
        chosen.kind, training_side.months.is_before, leaf_size=chosen.leaf_size
    )
    holdout = find_holdout(settings, rows)
    matrix = rows.matrix.filter(pl.Series(holdout))
    probability = compile_predictor(pipeline, decision).probability(matrix)
    return evaluate_holdout(settings, rows.labels[holdout], probability, decision.threshold)


def evaluate_holdout(
    settings: Settings,
    label: NDArray[np.int8],
    probability: NDArray[np.float64],
    threshold: Threshold,
) -> HoldoutMetrics:
    """Score the probabilities of a hold-out, with the bootstrap that the settings ask for."""
    return evaluate(
        label,
        probability,
        threshold=threshold,
        seed=settings.seed,
        draws=settings.bootstrap_draws,
    )
