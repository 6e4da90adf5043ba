"""Cross-validation of many months: learn from the months before, judge on the newest one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.first_model import PublicSet

from streamflow.core.statistics.metrics import auc
from streamflow.errors import TrainingImpossible
from streamflow.models.forward_months import ForwardMonths
from streamflow.models.model_selection import (
    cross_validate,
    predict_out_of_fold,
)
from streamflow.models.stacked_frame import StackedFrame
from streamflow.models.training_rows import TrainingRows

USERS = 300


def two_months(*, turned: bool) -> TrainingRows:
    """The same users in two months. If `turned`, the rule of the newest month is the opposite."""
    numbers = np.random.default_rng(5).normal(size=2 * USERS).round(3)
    is_newest = np.arange(2 * USERS) >= USERS
    label = ((numbers > 0) ^ (is_newest & turned)).astype(np.int8)
    public = PublicSet(name="x", frame=pl.DataFrame({"a": numbers}), label=label)
    return TrainingRows(
        keys=pl.Series([f"user {number % USERS}" for number in range(2 * USERS)]),
        frame=StackedFrame.from_frame(public.frame),
        label=label,
        features=public.catalog.features,
        trees=5,
        seed=1,
        months=ForwardMonths(is_newest=is_newest, is_before=~is_newest),
    )


def test_the_newest_month_is_judged_by_models_that_have_not_seen_it() -> None:
    same, turned = two_months(turned=False), two_months(turned=True)
    predictions = predict_out_of_fold(same, "logistic", salt="s")
    assert len(predictions) == USERS
    assert auc(same.judged_label, predictions) > 0.99
    # The months before are the same ones, so the models are: only the labels to judge by differ.
    assert predict_out_of_fold(turned, "logistic", salt="s").tolist() == predictions.tolist()
    assert cross_validate(turned, "logistic", salt="s").auc < 0.01


def test_no_user_is_judged_by_a_model_that_learned_from_the_user() -> None:
    """A user whose January is changed changes the prediction of everybody but this user's fold."""
    rows = two_months(turned=False)
    label = rows.label.copy()
    label[0] = 1 - label[0]
    changed = replace(rows, label=label)
    before = predict_out_of_fold(rows, "logistic", salt="s")
    after = predict_out_of_fold(changed, "logistic", salt="s")
    assert before[0] == after[0]
    assert 0.5 < (before != after).mean() < 1


def test_a_sample_has_the_months_of_its_users() -> None:
    rows = two_months(turned=False)
    sample = rows.sample(100, salt="s")
    assert sample.months is not None
    assert sample.months.is_newest.sum() == sample.months.is_before.sum() == len(sample.keys) // 2
    assert sorted(sample.keys.unique()) == sorted(sample.keys.filter(pl.Series(sample.is_judged)))


def test_months_that_cannot_judge_or_teach_are_refused_in_words() -> None:
    """All their labels are equal, or none of their users is on the training side."""
    rows = two_months(turned=False)
    assert rows.months is not None
    stays = np.where(rows.months.is_newest, 0, rows.label).astype(np.int8)
    with pytest.raises(TrainingImpossible, match="the newest month of .* all 300 labels are 0"):
        cross_validate(replace(rows, label=stays), "logistic", salt="s")
    stayed = np.where(rows.months.is_before, 0, rows.label).astype(np.int8)
    with pytest.raises(TrainingImpossible, match="of the months before .* all 300 labels are 0"):
        cross_validate(replace(rows, label=stayed), "logistic", salt="s")
    nobody = replace(rows.months, is_newest=np.zeros(2 * USERS, dtype=bool))
    with pytest.raises(TrainingImpossible, match="the newest month of .* there are no rows"):
        cross_validate(replace(rows, months=nobody), "logistic", salt="s")
