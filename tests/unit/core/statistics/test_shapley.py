"""Shares of a change: the properties that define Shapley's value, with all orders as the oracle."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.shapley import (
    METRIC_NAMES,
    NOT_EXPLAINED,
    combinations,
    describe_change,
    explain_change,
    shapley,
)

Value = dict[frozenset[str], float]
CAUSES = ("labels", "data", "definitions", "configuration")
SCORES = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def values(draw: st.DrawFn, least: int = 0) -> tuple[tuple[str, ...], Value]:
    """A score of every combination of up to four causes."""
    causes = CAUSES[: draw(st.integers(least, len(CAUSES)))]
    return causes, {some: draw(SCORES) for some in combinations(causes)}


@given(values())
def test_shares_add_up_exactly(given_values: tuple[tuple[str, ...], Value]) -> None:
    causes, value = given_values
    shares = shapley(value)
    assert set(shares) == set(causes)
    assert sum(shares.values()) == Fraction(value[frozenset(causes)]) - Fraction(value[frozenset()])


@given(values())
def test_a_share_is_the_average_over_all_orders(
    given_values: tuple[tuple[str, ...], Value],
) -> None:
    causes, value = given_values
    average = dict.fromkeys(causes, Fraction(0))
    for order in permutations(causes):
        for place, cause in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            average[cause] += (Fraction(value[after]) - Fraction(value[before])) / factorial(
                len(causes)
            )
    assert shapley(value) == average


@given(values(least=1))
def test_a_cause_without_effect_gets_nothing(given_values: tuple[tuple[str, ...], Value]) -> None:
    causes, value = given_values
    idle = causes[0]
    assert shapley({some: value[some - {idle}] for some in value})[idle] == 0


@given(values(least=2))
def test_two_causes_that_do_the_same_share_alike(
    given_values: tuple[tuple[str, ...], Value],
) -> None:
    causes, value = given_values
    one, other = causes[:2]

    def swapped(some: frozenset[str]) -> frozenset[str]:
        return frozenset({one: other, other: one}.get(cause, cause) for cause in some)

    symmetric = {some: value[min(some, swapped(some), key=sorted)] for some in value}
    shares = shapley(symmetric)
    assert shares[one] == shares[other]


@given(values(), SCORES, SCORES)
def test_recorded_and_rebuilt_apart_the_rest_lies_elsewhere(
    given_values: tuple[tuple[str, ...], Value], a: float, b: float
) -> None:
    causes, value = given_values
    change = explain_change("auc", a, b, value, remainder_cause="code or environment")
    shares = {share.cause: share.value for share in change.shares}
    rebuilt = Fraction(value[frozenset(causes)]) - Fraction(value[frozenset()])
    rest = Fraction(b) - Fraction(a) - rebuilt
    assert shares.pop("code or environment", 0.0) == float(rest)
    assert set(shares) == set(causes)
    assert (change.a, change.b) == (a, b)


def test_what_only_two_do_together_is_halved() -> None:
    change = explain_change(
        "auc",
        0.75,
        0.25,
        {frozenset(): 0.75, frozenset("x"): 0.75, frozenset("y"): 0.75, frozenset("xy"): 0.25},
        remainder_cause="",
    )
    assert [(share.cause, share.value, share.percent) for share in change.shares] == [
        ("x", -0.25, 50.0),
        ("y", -0.25, 50.0),
    ]


@pytest.mark.parametrize(
    ("b", "value", "sentence"),
    [
        pytest.param(0.75, 0.75, "AUC does not change: it is 0.7500 and 0.7500.", id="no change"),
        pytest.param(0.7502, 0.7502, "Of the change of AUC from 0.7500 to 0.7502,"
                                     " +0.0002 is due to x.", id="no percents"),
        pytest.param(0.5, 0.75, "Of the change of AUC from 0.7500 to 0.5000,"
                                " -0.2500 (100 %) is not explained.", id="elsewhere"),
        pytest.param(
            0.25, 0.625,
            "Of the change of AUC from 0.7500 to 0.2500,"
            " -0.3750 (75 %) is not explained, -0.1250 (25 %) is due to x.",
            id="the largest first",
        ),
    ],
)  # fmt: skip
def test_the_sentence(b: float, value: float, sentence: str) -> None:
    change = explain_change(
        "auc", 0.75, b, {frozenset(): 0.75, frozenset("x"): value}, remainder_cause=NOT_EXPLAINED
    )
    assert describe_change(change, {}) == sentence


def test_every_metric_that_is_attributed_is_measured() -> None:
    assert set(METRIC_NAMES) <= set(HoldoutMetrics.__dataclass_fields__)
    apart = {
        "auc_low",
        "auc_high",
        "majority_accuracy",
        "threshold",
    }  # an interval, a fact of the labels, a setting
    assert {
        name
        for name, f in HoldoutMetrics.__dataclass_fields__.items()
        if f.type in ("float", "Threshold")
    } - set(METRIC_NAMES) == apart
