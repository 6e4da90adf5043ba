"""Cross-validate the kinds of models, and choose the best one.

Each row is predicted by a model that was not fitted on it. The hold-out is not used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.split import hash_position
from streamflow.errors import TrainingImpossible
from streamflow.models.compiled_model import compile_model
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.pipelines import encoder_of, fit_model, require_both_classes

# Both numbers are conventions. The key decides the fold of a row, as it decides the hold-out.
FOLDS = 5
REPEATS = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The result of cross-validating a kind of model.

    Attributes:
        kind: the kind of model.
        aucs: the AUC of each repeat.
        out_of_fold: (n,) the predictions of the first repeat.
    """

    kind: str
    aucs: tuple[float, ...]
    out_of_fold: Floats

    @property
    def auc(self) -> float:
        """Return the mean AUC over the repeats."""
        return float(np.mean(self.aucs))


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The rows to learn from, in the order of their keys, and the settings of a fit.

    Attributes:
        keys: (n,)
        frame: (n, features)
        label: (n,)
        features: as the catalog declares them.
        trees: the number of trees of the baseline forest.
        seed: for everything that is random in a fit.
    """

    keys: pl.Series
    frame: pl.DataFrame
    label: NDArray[np.int8]
    features: Sequence[Feature]
    trees: int
    seed: int

    def fit(self, kind: str, rows: NDArray[np.bool_] | None = None) -> Any:
        """Fit a pipeline on the selected rows, or on all rows when `rows` is None.

        Raises:
            TrainingImpossible: there are no rows, or rows of one class only.
        """
        frame = self.frame
        label = self.label
        if rows is not None:
            frame = frame.filter(pl.Series(rows))
            label = label[rows]
        return fit_model(
            kind,
            frame,
            label,
            features=self.features,
            trees=self.trees,
            seed=self.seed,
        )


def predict_out_of_fold(training_rows: TrainingRows, kind: str, *, salt: str) -> Floats:
    """Predict each row by a model that was fitted on the folds without it.

    Args:
        training_rows: the rows.
        kind: the kind of model.
        salt: decides, together with its key, which fold a row belongs to.

    Returns:
        (n,) probabilities before calibration.

    Raises:
        TrainingImpossible: all rows, or all rows outside of a fold, have the same class.
    """
    require_both_classes(training_rows.label)
    positions = hash_position(training_rows.keys, salt=salt)
    fold_of_row = (positions % np.uint64(FOLDS)).astype(int)
    predictions = np.empty(len(training_rows.label))
    for fold in range(FOLDS):
        in_fold = fold_of_row == fold
        if not in_fold.any():
            continue
        try:
            pipeline = training_rows.fit(kind, ~in_fold)
        except TrainingImpossible as exc:
            raise TrainingImpossible(f"cross-validation in {FOLDS} folds: {exc.message}") from exc
        fold_rows = training_rows.frame.filter(pl.Series(in_fold))
        matrix = encoder_of(pipeline).encode_frame(fold_rows)
        predictions[in_fold] = compile_model(pipeline)(matrix)
    return predictions


def cross_validate(
    training_rows: TrainingRows,
    kind: str,
    *,
    salt: str,
    repeats: int = 1,
) -> Candidate:
    """Cross-validate a kind of model. Each repeat divides the rows into folds anew."""
    predictions = [
        predict_out_of_fold(training_rows, kind, salt=f"{salt} fold {repeat}")
        for repeat in range(repeats)
    ]
    return Candidate(
        kind=kind,
        aucs=tuple(
            auc(training_rows.label, repeat_predictions) for repeat_predictions in predictions
        ),
        out_of_fold=predictions[0],
    )


def choose_kind(
    training_rows: TrainingRows,
    *,
    salt: str,
    notify: Callable[[str], None],
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """Cross-validate all kinds of models and choose the one with the highest AUC.

    Of kinds with equal AUC the simplest is chosen.

    Returns:
        The chosen candidate, and all candidates.
    """
    candidates = []
    for kind in MODEL_KINDS:
        result = cross_validate(training_rows, kind, salt=salt, repeats=REPEATS)
        candidates.append(result)
        notify(f"cross-validated {kind}: AUC {result.auc:.4f}")
    # max returns the first of equal candidates, and MODEL_KINDS begins with the simplest kind.
    return max(candidates, key=lambda result: result.auc), tuple(candidates)
