"""Answers for rows that a model has not seen, and the choice between kinds of models by them. The hold-out plays no part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.split import position
from streamflow.errors import TrainingImpossible
from streamflow.models.compiled_model import compiled
from streamflow.models.pipelines import KINDS, encoder_of, fit_model, require_both_classes

FOLDS, REPEATS = 5, 3  # conventions; a fold is decided by the key, as the hold-out is

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A kind of model as cross-validation saw it: AUC of each repeat, their mean, and the answers of the first repeat."""

    kind: str
    aucs: tuple[float, ...]
    out_of_fold: Floats

    @property
    def auc(self) -> float:
        """The mean over the repeats."""
        return float(np.mean(self.aucs))


@dataclass(frozen=True, kw_only=True)
class TrainingSide:
    """The rows to learn from, in the order of their keys. keys (n,), frame (n, features), label (n,)."""

    keys: pl.Series
    frame: pl.DataFrame
    label: NDArray[np.int8]
    features: Sequence[Feature]
    trees: int
    seed: int

    def fit(self, kind: str, rows: NDArray[np.bool_] | None = None) -> Any:
        """A pipeline fitted on these of the rows, or on all. Raises TrainingImpossible."""
        frame, label = (
            (self.frame, self.label)
            if rows is None
            else (self.frame.filter(pl.Series(rows)), self.label[rows])
        )
        return fit_model(
            kind, frame, label, features=self.features, trees=self.trees, seed=self.seed
        )


def out_of_fold(side: TrainingSide, kind: str, *, salt: str) -> Floats:
    """What a model of `kind` says of each row when it was fitted on the other folds; shape (n,).

    Raises TrainingImpossible when the rows, or the rest of a fold, hold one class only.
    """
    require_both_classes(side.label)
    fold = (position(side.keys, salt=salt) % np.uint64(FOLDS)).astype(int)
    answers = np.empty(len(side.label))
    for number in range(FOLDS):
        inside = fold == number
        if not inside.any():
            continue
        try:
            pipeline = side.fit(kind, ~inside)
        except TrainingImpossible as exc:
            raise TrainingImpossible(f"cross-validation in {FOLDS} folds: {exc.message}") from exc
        answers[inside] = compiled(pipeline)(
            encoder_of(pipeline).matrix(side.frame.filter(pl.Series(inside)))
        )
    return answers


def candidate(side: TrainingSide, kind: str, *, salt: str, repeats: int = 1) -> Candidate:
    """Cross-validate a kind; each repeat has folds of its own."""
    answers = [out_of_fold(side, kind, salt=f"{salt} fold {repeat}") for repeat in range(repeats)]
    return Candidate(
        kind=kind, aucs=tuple(auc(side.label, a) for a in answers), out_of_fold=answers[0]
    )


def choose(
    side: TrainingSide, *, salt: str, notify: Callable[[str], None]
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """The kind with the highest cross-validated AUC, the simplest of equals, and all candidates."""
    found = []
    for kind in KINDS:
        found.append(candidate(side, kind, salt=salt, repeats=REPEATS))
        notify(f"cross-validated {kind}: AUC {found[-1].auc:.4f}")
    return max(found, key=lambda c: c.auc), tuple(found)
