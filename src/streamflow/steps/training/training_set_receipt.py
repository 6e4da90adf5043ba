"""What `training-set` returns: a training set without its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np

from streamflow.core.training.training_set import Source, TrainingSet


@dataclass(frozen=True, kw_only=True)
class TrainingSetMonth:
    """One month of a training set of many months, without its rows."""

    as_of: date
    label_as_of: date
    known_at: datetime
    rows: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class TrainingSetReceipt:
    """What a training set is, without its rows.

    months  each month, the oldest first; empty for a set of one month
    """

    as_of: date
    label_as_of: date
    known_at: datetime
    rows: int
    without_label: int
    positive_share: float
    features: tuple[str, ...]
    digest: str
    sources: tuple[Source, ...]
    out: Path | None
    months: tuple[TrainingSetMonth, ...] = ()


def describe_training_set(rows: TrainingSet, out: Path | None = None) -> TrainingSetReceipt:
    """Describe a training set; `out` is the file that its rows were written to."""
    labels = [month.labels for month in rows.months]
    months = tuple(
        TrainingSetMonth(
            as_of=month.as_of.date(),
            label_as_of=month.label_as_of.date(),
            known_at=month.known_at,
            rows=len(month.frame),
            digest=month.content.value,
        )
        for month in rows.months
    )
    return TrainingSetReceipt(
        as_of=rows.as_of.date(),
        label_as_of=rows.label_as_of.date(),
        known_at=rows.known_at,
        rows=rows.row_count,
        without_label=sum(month.without_label for month in rows.months),
        positive_share=float(np.concatenate(labels).mean()),
        features=rows.features,
        digest=rows.digest,
        sources=rows.all_sources,
        out=out,
        months=months if rows.earlier else (),
    )
