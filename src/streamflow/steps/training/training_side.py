"""The rows that a version learns from: the training side of every month."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import TrainingSet
from streamflow.platform import Platform
from streamflow.settings import Settings

if TYPE_CHECKING:
    from streamflow.models.forward_months import ForwardMonths
    from streamflow.models.training_rows import TrainingRows


def find_holdout(settings: Settings, rows: TrainingSet) -> NDArray[np.bool_]:
    """Return which rows of the newest month are on the hold-out side, (n,)."""
    keys = rows.frame[rows.key]
    return is_holdout(keys, salt=settings.split_salt, share=settings.holdout_share)


def stack_training_sides(platform: Platform, rows: TrainingSet) -> TrainingRows:
    """Stack the training side of every month, the oldest first.

    The features of a month are read each time they are used; keys and labels stay in memory.
    """
    from streamflow.models.stacked_frame import FrameBlock, StackedFrame
    from streamflow.models.training_rows import TrainingRows

    keys = []
    labels = []
    blocks = []
    for month in rows.months:
        is_training = ~find_holdout(platform.settings, month)
        keys.append(month.frame[rows.key].filter(pl.Series(is_training)))
        labels.append(month.labels[is_training])
        read_frame = partial(_read_features, month)
        blocks.append(FrameBlock(read_frame=read_frame, is_selected=is_training))
    return TrainingRows(
        keys=pl.concat(keys),
        frame=StackedFrame(blocks=tuple(blocks)),
        label=np.concatenate(labels),
        features=platform.catalog.features,
        trees=platform.settings.trees,
        seed=platform.settings.seed,
        months=_forward_months(rows, list(map(len, blocks))),
    )


def _read_features(month: TrainingSet) -> pl.DataFrame:
    return month.matrix


def _forward_months(rows: TrainingSet, row_counts: list[int]) -> ForwardMonths | None:
    """Say which rows of the training side are of the newest month, and which were known before it.

    Args:
        row_counts: the number of rows of each month

    Returns:
        None where the labels of no month are dated up to the newest month
    """
    from streamflow.models.forward_months import ForwardMonths

    is_before = np.array([
        month.label_as_of <= rows.as_of and month is not rows for month in rows.months
    ])  # fmt: skip
    if not is_before.any():
        return None
    is_newest = np.arange(len(row_counts)) == len(row_counts) - 1
    return ForwardMonths(
        is_newest=np.repeat(is_newest, row_counts), is_before=np.repeat(is_before, row_counts)
    )


def list_validation_remarks(rows: TrainingSet, *, is_forward: bool) -> list[str]:
    """Say it when several months could not be validated forward in time."""
    if not rows.earlier or is_forward:
        return []
    return [
        "no month before has labels that are dated up to"
        f" {rows.as_of:%Y-%m-%d}: the months were not validated forward in time, only by user"
    ]
