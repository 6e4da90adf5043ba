"""`auto` chooses a good model inside the training side, for data of every form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from support.first_model import PublicSet, mass_point, measure

from streamflow.core.training.split import hash_position
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.kinds.forest import LEAF_SIZES
from streamflow.models.model_selection import (
    choose_kind,
    choose_leaf_size,
    cross_validate,
    predict_each_out_of_fold,
    predict_out_of_fold,
)
from streamflow.models.stacked_frame import StackedFrame
from streamflow.models.training_rows import TrainingRows, Trial


def rows_of(public: PublicSet, *, trees: int = 10) -> TrainingRows:
    return TrainingRows(
        keys=pl.Series([f"user {n}" for n in range(len(public.label))]),
        frame=StackedFrame.from_frame(public.frame),
        label=public.label,
        features=public.catalog.features,
        trees=trees,
        seed=1,
    )


def test_auto_is_not_far_behind_the_best_of_three_rivals() -> None:
    """The quick form of the proof of public sets: one fold and few trees."""
    found = measure(mass_point(800), trees=20, folds=1, repeats=1)
    assert found.behind < 0.03, found


def test_noise_gets_a_larger_leaf_than_a_rule() -> None:
    draw = np.random.default_rng(3)
    x = draw.random((800, 3)).round(3)
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]})
    noisy = (draw.random(800) < 0.35 + 0.3 * (x[:, 0] > 0.5)).astype(np.int8)
    rule = ((x[:, 0] * 12).astype(int) % 2 == (x[:, 1] * 12).astype(int) % 2).astype(np.int8)
    sizes = [
        choose_leaf_size(rows_of(PublicSet(name="x", frame=frame, label=y)), "forest", salt="s")
        for y in (noisy, rule)
    ]
    assert sizes == [max(LEAF_SIZES), min(LEAF_SIZES)]
    assert choose_leaf_size(rows_of(mass_point(200)), "baseline", salt="s") == 1


def test_many_rows_are_compared_by_a_sample_that_the_keys_decide() -> None:
    rows = rows_of(mass_point(300))
    sample = rows.sample(100, salt="s")
    positions = hash_position(rows.keys, salt="s sample")
    assert set(sample.keys) == set(rows.keys.gather(np.argsort(positions)[:100]))
    assert len(sample.label) == len(sample.frame) == 100
    shuffled = np.random.default_rng(1).permutation(300)
    again = replace(
        rows,
        keys=rows.keys.gather(shuffled),
        frame=StackedFrame.from_frame(next(rows.frame.read_blocks())[shuffled]),
        label=rows.label[shuffled],
    )
    assert set(again.sample(100, salt="s").keys) == set(sample.keys)
    assert rows.sample(300, salt="s") is rows


def test_the_chosen_model_has_predictions_for_all_rows_also_when_a_sample_chose_it() -> None:
    rows = rows_of(mass_point(400), trees=3)
    chosen, candidates = choose_kind(
        rows, salt="s", notify=lambda _: None, repeats=1, most_rows=200
    )
    assert len(chosen.out_of_fold) == 400
    assert {len(c.out_of_fold) for c in candidates} == {200}
    assert {c.kind for c in candidates} == {"logistic", "forest", "boosting"}


def test_one_leaver_in_a_hundred_and_rare_categories_are_learned_from() -> None:
    public = mass_point(3_000, share=0.01)
    assert 0.005 < public.label.mean() < 0.02
    found = choose_leaf_size(rows_of(public, trees=5), "forest", salt="s")
    assert found in LEAF_SIZES
    candidate = cross_validate(rows_of(public), "logistic", salt="s")
    assert candidate.auc > 0.6


def test_trials_on_rows_that_are_encoded_once_give_the_bits_of_each_by_itself() -> None:
    rows = rows_of(mass_point(200), trees=3)
    trials = [
        Trial(kind=name, leaf_size=size)
        for name, kind in MODEL_KINDS.items()
        for size in kind.leaf_sizes
    ]
    together = predict_each_out_of_fold(rows, trials, salt="s")
    for trial, predictions in zip(trials, together, strict=True):
        alone = predict_out_of_fold(rows, trial.kind, salt="s", leaf_size=trial.leaf_size)
        assert alone.tobytes() == predictions.tobytes(), trial
