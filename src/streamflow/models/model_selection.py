"""Cross-validate the kinds of models, and choose the best one.

Each row is predicted by a model that was not fitted on it. The hold-out is not used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import auc
from streamflow.core.training.calibration import calibrated_brier
from streamflow.core.training.split import hash_position
from streamflow.errors import TrainingImpossible
from streamflow.models.compiled_model import compile_model
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.pipelines import encode_blocks, encoder_of, require_both_classes
from streamflow.models.training_rows import TrainingRows, Trial

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


def predict_out_of_fold(
    training_rows: TrainingRows,
    kind: str,
    *,
    salt: str,
    leaf_size: int | None = None,
) -> Floats:
    """Predict each judged row by a model of one kind: see `predict_each_out_of_fold`."""
    trial = Trial(kind=kind, leaf_size=leaf_size)
    [predictions] = predict_each_out_of_fold(training_rows, [trial], salt=salt)
    return predictions


def predict_each_out_of_fold(
    training_rows: TrainingRows,
    trials: Sequence[Trial],
    *,
    salt: str,
) -> list[Floats]:
    """Predict each judged row by models that were fitted on the folds without its key.

    Of many months, the newest one is predicted by models of the months before.
    The rows of a fold are encoded once for all trials.

    Args:
        training_rows: the rows.
        trials: the kinds of models and their leaf sizes.
        salt: decides, together with its key, which fold a row belongs to.

    Returns:
        For each trial the probabilities of the judged rows, before calibration: (n,), or those of
        the newest month.

    Raises:
        TrainingImpossible: all rows of a month, or outside of a fold, have the same class.
    """
    require_both_classes(training_rows.label)
    if training_rows.months is not None:
        training_rows.months.require_both_classes(training_rows.label)
    positions = hash_position(training_rows.keys, salt=salt)
    fold_of_row = (positions % np.uint64(FOLDS)).astype(int)
    predictions = np.empty((len(trials), len(training_rows.label)))
    for fold in range(FOLDS):
        in_fold = fold_of_row == fold
        judged_rows = in_fold & training_rows.is_judged
        if judged_rows.any():
            learned_rows = ~in_fold & training_rows.is_learned
            predictions[:, judged_rows] = _predict_fold(
                training_rows, trials, learned_rows, judged_rows
            )
    return list(predictions[:, training_rows.is_judged])


def _predict_fold(
    training_rows: TrainingRows,
    trials: Sequence[Trial],
    learned_rows: NDArray[np.bool_],
    judged_rows: NDArray[np.bool_],
) -> list[Floats]:
    """Return the probabilities that each trial gives the judged rows of a fold."""
    fold_rows = training_rows.frame.filter(judged_rows)
    matrix = None
    predictions = []
    try:
        for pipeline in training_rows.fit_each(trials, learned_rows):
            if matrix is None:
                matrix = encode_blocks(encoder_of(pipeline), fold_rows)
            predictions.append(compile_model(pipeline)(matrix))
    except TrainingImpossible as exc:
        raise TrainingImpossible(f"cross-validation in {FOLDS} folds: {exc.message}") from exc
    return predictions


def cross_validate(
    training_rows: TrainingRows,
    kind: str,
    *,
    salt: str,
    repeats: int = 1,
) -> Candidate:
    """Cross-validate one kind of model: see `cross_validate_each`."""
    [candidate] = cross_validate_each(training_rows, [kind], salt=salt, repeats=repeats)
    return candidate


def cross_validate_each(
    training_rows: TrainingRows,
    kinds: Sequence[str],
    *,
    salt: str,
    repeats: int,
) -> list[Candidate]:
    """Cross-validate kinds of models. Each repeat divides the rows into folds anew.

    The leaf size is chosen first, where the kind lets it be chosen.
    """
    trials = _choose_leaf_sizes(training_rows, kinds, salt=salt)
    predictions = [
        predict_each_out_of_fold(training_rows, trials, salt=f"{salt} fold {repeat}")
        for repeat in range(repeats)
    ]
    label = training_rows.judged_label
    return [
        _measure_candidate(trial, label, trial_predictions)
        for trial, *trial_predictions in zip(trials, *predictions, strict=True)
    ]


def _measure_candidate(
    trial: Trial, label: NDArray[np.int8], predictions: Sequence[Floats]
) -> Candidate:
    """Measure the predictions of a trial, those of each repeat by themselves."""
    return Candidate(
        kind=trial.kind,
        aucs=tuple(auc(label, repeat_predictions) for repeat_predictions in predictions),
        briers=tuple(
            calibrated_brier(label, repeat_predictions) for repeat_predictions in predictions
        ),
        out_of_fold=predictions[0],
        leaf_size=trial.leaf_size,
    )


def choose_leaf_size(training_rows: TrainingRows, kind: str, *, salt: str) -> int:
    """Choose the leaf size of one kind of model: see `_choose_leaf_sizes`."""
    [trial] = _choose_leaf_sizes(training_rows, [kind], salt=salt)
    assert trial.leaf_size is not None
    return trial.leaf_size


def _choose_leaf_sizes(
    training_rows: TrainingRows, kinds: Sequence[str], *, salt: str
) -> list[Trial]:
    """Choose for each kind the leaf size with the lowest cross-validated Brier score.

    Of equal ones the largest is chosen. The answers are calibrated before they are compared.
    """
    sample = training_rows.sample(MAX_SELECTION_ROWS, salt=salt)
    sample = replace(sample, trees=min(sample.trees, LEAF_TREES))
    trials = [
        Trial(kind=kind, leaf_size=size)
        for kind in kinds
        for size in MODEL_KINDS[kind].leaf_sizes
        if len(MODEL_KINDS[kind].leaf_sizes) > 1
    ]
    briers: dict[Trial, float] = {}
    if trials:
        predictions = predict_each_out_of_fold(sample, trials, salt=f"{salt} leaf")
        for trial, trial_predictions in zip(trials, predictions, strict=True):
            briers[trial] = calibrated_brier(sample.judged_label, trial_predictions)
    chosen = []
    for kind in kinds:
        sizes = [Trial(kind=kind, leaf_size=size) for size in MODEL_KINDS[kind].leaf_sizes]
        # min returns the first of equal sizes, and the sizes begin with the largest.
        chosen.append(min(sizes, key=lambda trial: briers.get(trial, 0.0)))
    return chosen


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
    kinds = [kind for kind, declared in MODEL_KINDS.items() if declared.is_candidate]
    notify(f"cross-validating {', '.join(kinds)}")
    candidates = cross_validate_each(sample, kinds, salt=salt, repeats=repeats)
    for result in candidates:
        notify(
            f"cross-validated {result.kind}: AUC {result.auc:.4f}, Brier score {result.brier:.4f}"
        )
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
