"""Cross-validate the kinds of models, and choose the best one.

Each row is predicted by a model that was not fitted on it. The hold-out is not used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.calibration import calibrated_brier
from streamflow.core.training.split import hash_position
from streamflow.errors import TrainingImpossible
from streamflow.models.compiled_model import compile_model
from streamflow.models.forward_months import ForwardMonths
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.pipelines import encoder_of, fit_model, require_both_classes

# Both numbers are conventions. The key decides the fold of a row, as it decides the hold-out.
FOLDS = 5
REPEATS = 3
# Leaf sizes are compared with at most this many trees, and kinds on at most this many rows: more
# would take longer and rarely change the choice. Both are conventions.
LEAF_TREES = 100
MAX_SELECTION_ROWS = 20_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The result of cross-validating a kind of model.

    Attributes:
        kind: the kind of model.
        aucs: the AUC of each repeat.
        briers: the Brier score of each repeat, after calibration.
        out_of_fold: the predictions of the first repeat for the rows that are judged.
        leaf_size: the fewest training rows in a leaf; None: the first size of the kind.
    """

    kind: str
    aucs: tuple[float, ...]
    briers: tuple[float, ...]
    out_of_fold: Floats
    leaf_size: int | None = None

    @property
    def auc(self) -> float:
        """Return the mean AUC over the repeats."""
        return float(np.mean(self.aucs))

    @property
    def brier(self) -> float:
        """Return the mean Brier score over the repeats."""
        return float(np.mean(self.briers))


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The rows to learn from, in the order of their keys, and the settings of a fit.

    Rows of many months come month by month. A key may have a row in each.

    Attributes:
        keys: (n,)
        frame: (n, features)
        label: (n,)
        features: as the catalog declares them.
        trees: the number of trees of a forest.
        seed: for everything that is random in a fit.
        months: which rows cross-validation learns from, and on which it judges; None: on all.
    """

    keys: pl.Series
    frame: pl.DataFrame
    label: NDArray[np.int8]
    features: Sequence[Feature]
    trees: int
    seed: int
    months: ForwardMonths | None = None

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Return which rows cross-validation judges on, (n,)."""
        return _all_rows(self.label) if self.months is None else self.months.is_newest

    @property
    def is_learned(self) -> NDArray[np.bool_]:
        """Return which rows cross-validation learns from, (n,)."""
        return _all_rows(self.label) if self.months is None else self.months.is_before

    @property
    def judged_label(self) -> NDArray[np.int8]:
        """Return the labels of the rows that cross-validation judges on, in their order."""
        return self.label[self.is_judged]

    def fit(
        self,
        kind: str,
        rows: NDArray[np.bool_] | None = None,
        *,
        leaf_size: int | None = None,
    ) -> Any:
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
            leaf_size=leaf_size,
        )

    def sample(self, rows: int, *, salt: str) -> TrainingRows:
        """Return at most `rows` of these rows; the key of a row decides, so they are the same.

        A key comes with its rows of all months: these may be a few more than `rows`.
        """
        if len(self.keys) <= rows:
            return self
        positions = hash_position(self.keys, salt=f"{salt} sample")
        is_in_sample = positions <= np.partition(positions, rows - 1)[rows - 1]
        mask = pl.Series(is_in_sample)
        return replace(
            self,
            keys=self.keys.filter(mask),
            frame=self.frame.filter(mask),
            label=self.label[is_in_sample],
            months=self.months and self.months.only(is_in_sample),
        )


def _all_rows(label: NDArray[np.int8]) -> NDArray[np.bool_]:
    return np.ones(len(label), dtype=bool)


def predict_out_of_fold(
    training_rows: TrainingRows,
    kind: str,
    *,
    salt: str,
    leaf_size: int | None = None,
) -> Floats:
    """Predict each judged row by a model that was fitted on the folds without its key.

    Of many months, the newest one is predicted by models of the months before.

    Args:
        training_rows: the rows.
        kind: the kind of model.
        salt: decides, together with its key, which fold a row belongs to.
        leaf_size: the fewest training rows in a leaf; by default the first size of the kind.

    Returns:
        probabilities of the judged rows, before calibration. (n,), or those of the newest month

    Raises:
        TrainingImpossible: all rows of a month, or outside of a fold, have the same class.
    """
    require_both_classes(training_rows.label)
    if training_rows.months is not None:
        training_rows.months.require_both_classes(training_rows.label)
    positions = hash_position(training_rows.keys, salt=salt)
    fold_of_row = (positions % np.uint64(FOLDS)).astype(int)
    predictions = np.empty(len(training_rows.label))
    for fold in range(FOLDS):
        in_fold = fold_of_row == fold
        judged_rows = in_fold & training_rows.is_judged
        if not judged_rows.any():
            continue
        try:
            learned_rows = ~in_fold & training_rows.is_learned
            pipeline = training_rows.fit(kind, learned_rows, leaf_size=leaf_size)
        except TrainingImpossible as exc:
            raise TrainingImpossible(f"cross-validation in {FOLDS} folds: {exc.message}") from exc
        fold_rows = training_rows.frame.filter(pl.Series(judged_rows))
        matrix = encoder_of(pipeline).encode_frame(fold_rows)
        predictions[judged_rows] = compile_model(pipeline)(matrix)
    return predictions[training_rows.is_judged]


def cross_validate(
    training_rows: TrainingRows,
    kind: str,
    *,
    salt: str,
    repeats: int = 1,
) -> Candidate:
    """Cross-validate a kind of model. Each repeat divides the rows into folds anew.

    The leaf size is chosen first, where the kind lets it be chosen.
    """
    leaf_size = choose_leaf_size(training_rows, kind, salt=salt)
    predictions = [
        predict_out_of_fold(training_rows, kind, salt=f"{salt} fold {repeat}", leaf_size=leaf_size)
        for repeat in range(repeats)
    ]
    label = training_rows.judged_label
    return Candidate(
        kind=kind,
        aucs=tuple(auc(label, repeat_predictions) for repeat_predictions in predictions),
        briers=tuple(
            calibrated_brier(label, repeat_predictions) for repeat_predictions in predictions
        ),
        out_of_fold=predictions[0],
        leaf_size=leaf_size,
    )


def choose_leaf_size(training_rows: TrainingRows, kind: str, *, salt: str) -> int:
    """Choose the leaf size with the lowest cross-validated Brier score; of equal ones the largest.

    The answers are calibrated before they are compared.
    """
    sizes = MODEL_KINDS[kind].leaf_sizes
    if len(sizes) == 1:
        return sizes[0]
    sample = training_rows.sample(MAX_SELECTION_ROWS, salt=salt)
    sample = replace(sample, trees=min(sample.trees, LEAF_TREES))

    def measure(leaf_size: int) -> float:
        predictions = predict_out_of_fold(sample, kind, salt=f"{salt} leaf", leaf_size=leaf_size)
        return calibrated_brier(sample.judged_label, predictions)

    # min returns the first of equal sizes, and the sizes begin with the largest.
    return min(sizes, key=measure)


def choose_kind(
    training_rows: TrainingRows,
    *,
    salt: str,
    notify: Callable[[str], None],
    repeats: int = REPEATS,
    most_rows: int = MAX_SELECTION_ROWS,
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """Cross-validate the kinds of models and choose the one with the lowest Brier score.

    Of equally good kinds the simplest is chosen. More than `most_rows` rows are compared by a
    sample of them.

    Returns:
        The chosen candidate with predictions for all rows, and all candidates.
    """
    sample = training_rows.sample(most_rows, salt=salt)
    candidates = []
    for kind, declared in MODEL_KINDS.items():
        if not declared.is_candidate:
            continue
        result = cross_validate(sample, kind, salt=salt, repeats=repeats)
        candidates.append(result)
        notify(f"cross-validated {kind}: AUC {result.auc:.4f}, Brier score {result.brier:.4f}")
    # min returns the first of equal candidates, and MODEL_KINDS begins with the simplest kind.
    chosen = min(candidates, key=lambda result: result.brier)
    if sample is not training_rows:
        out_of_fold = predict_out_of_fold(
            training_rows,
            chosen.kind,
            salt=f"{salt} fold 0",
            leaf_size=chosen.leaf_size,
        )
        chosen = replace(chosen, out_of_fold=out_of_fold)
    return chosen, tuple(candidates)
