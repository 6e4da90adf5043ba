"""A rebuilt training set of many months: what differs is named, also where no month differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import make_passport, summarize_training_set
from streamflow.steps.versions.rebuild_verdict import _describe_row_differences
from streamflow.steps.versions.rebuilt_training_set import describe_set_differences

JANUARY, FEBRUARY = (datetime(2024, *day, tzinfo=UTC) for day in ((1, 31), (2, 29)))


def month(as_of: datetime, *, label: bool) -> TrainingSet:
    return TrainingSet(
        rows=pl.DataFrame({"user": ["a", "b"], "left": [True, label]}),
        key="user",
        features=(),
        label="left",
        types={"user": "string", "left": "bool"},
        as_of=as_of,
        label_as_of=as_of,
        label_lead=0,
        known_at=FEBRUARY,
        sources=(),
        without_label=0,
    )


def both(january_label_at: datetime = JANUARY, *, label: bool = False) -> TrainingSet:
    january = replace(month(JANUARY, label=label), label_as_of=january_label_at)
    return replace(month(FEBRUARY, label=False), earlier=(january,))


def differences(recorded: TrainingSet, rebuilt: TrainingSet) -> list[tuple[str, ...]]:
    """What `verify` and what `reproduce` say."""
    keys: dict[str, Any] = {"training_keys": {}, "holdout_keys": {}}
    result = {"training_set": summarize_training_set(recorded), **keys}
    passport = make_passport(
        recorded, features={}, code={}, environment={}, configuration={}, result=result
    )
    rebuilt_result = {"training_set": summarize_training_set(rebuilt), **keys}
    return [
        describe_set_differences(passport, rebuilt),
        tuple(_describe_row_differences(result, rebuilt_result)),
    ]


def test_a_difference_names_the_month() -> None:
    assert differences(both(), both()) == [(), ()]
    assert differences(both(), both(label=True)) == [
        ("month of 2024-01-31: the values of left are not the recorded ones",),
        ("the training set of 2024-01-31's column left differs from the recorded column",),
    ]


def test_months_with_equal_rows_and_different_dates_are_no_equal_set() -> None:
    assert differences(both(), both(FEBRUARY)) == [
        ("the dates of its months are not the recorded ones",),
        ("the dates of the months differ from the recorded dates",),
    ]
