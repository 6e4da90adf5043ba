"""Calibrator and threshold against brute force and against what they promise."""

from __future__ import annotations

import json
from math import inf

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamflow.core.statistics.threshold import flag_rows
from streamflow.core.training.calibration import (
    calibration_error,
    chance_calibration_error,
    fit_calibrator,
)
from streamflow.core.training.calibrator import Calibrator, parse_calibrator
from streamflow.core.training.decision import (
    HIGHEST_F1,
    MOST_VALUE,
    Decision,
    Economics,
    best_f1_threshold,
    best_threshold,
    parse_decision,
)
from streamflow.core.training.flagging import MONEY_NOT_SET, list_flagging_remarks

MONEY = {"kept_value": 200.0, "offer_cost": 20.0, "offer_success": 0.3}

answers = st.lists(
    st.tuples(st.sampled_from([i / 20 for i in range(21)]), st.booleans()), min_size=1, max_size=40
)
money = st.builds(
    Economics,
    kept_value=st.sampled_from([10.0, 200.0]),
    offer_cost=st.sampled_from([0.0, 1.0, 20.0, 90.0]),
    offer_success=st.sampled_from([0.1, 0.5, 1.0]),
    offer_budget=st.none() | st.sampled_from([0.0, 30.0, 500.0]),
)


def split(rows: list[tuple[float, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([p for p, _ in rows]), np.array([label for _, label in rows])


@given(answers, money, st.integers(0, 40))
def test_the_threshold_is_that_of_brute_force(
    rows: list[tuple[float, bool]], economics: Economics, others: int
) -> None:
    """Every threshold within the budget is tried; none brings more, and no higher one as much."""
    probability, label = split(rows)
    of = len(rows) + others

    def brought(threshold: float) -> float | None:
        flagged = [p >= threshold for p, _ in rows]
        cost = sum(flagged) * economics.offer_cost
        if economics.offer_budget is not None and cost > economics.offer_budget * len(rows) / of:
            return None
        won = sum(
            economics.offer_success * economics.kept_value
            for (_, left), f in zip(rows, flagged, strict=True)
            if f and left
        )
        return won - cost

    tried = {t: b for t in [*probability.tolist(), inf] if (b := brought(t)) is not None}
    best = max(tried.values())
    expected = max(t for t, b in tried.items() if abs(b - best) < 1e-9)
    found = best_threshold(label, probability, economics, budget_rows=of)
    assert found == (None if expected == inf else expected)


@given(answers)
def test_a_calibrator_keeps_the_ranking_and_the_range(rows: list[tuple[float, bool]]) -> None:
    probability, label = split(rows)
    grid = np.linspace(0, 1, 1001)
    found = fit_calibrator(probability, label).apply(grid)
    assert (np.diff(found) > 0).all()
    assert 0 < found[0] <= found[-1] < 1
    assert [
        fit_calibrator(probability, label).apply(np.array([p]))[0] for p in grid
    ] == found.tolist()


def test_it_finds_a_known_distortion() -> None:
    generator = np.random.default_rng(5)
    said = generator.random(20_000)
    label = generator.random(20_000) < said**2
    calibrated = fit_calibrator(said, label).apply(said)
    assert calibration_error(label, said) > 0.1
    assert calibration_error(label, calibrated) < 0.01
    assert np.abs(calibrated - said**2).mean() < 0.02


def test_the_bound_for_perfect_calibration_holds_as_often_as_it_says() -> None:
    generator = np.random.default_rng(6)
    said = generator.beta(2, 6, 1_500)
    bound = chance_calibration_error(said, level=0.95, seed=1, draws=400)
    drawn = [calibration_error(generator.random(1_500) < said, said) for _ in range(400)]
    assert 0.92 <= np.mean(np.array(drawn) <= bound) <= 0.98


def test_a_decision_comes_back_from_its_file_and_nonsense_does_not() -> None:
    calibrator = fit_calibrator(np.array([0.1, 0.4, 0.8]), np.array([0, 1, 1]))
    decision = Decision(
        threshold=0.3,
        rule="set",
        calibrator=calibrator,
        economics=Economics(kept_value=1, offer_cost=0, offer_success=1),
    )
    assert parse_decision(decision.content) == decision
    for change in (
        {"threshold": None},
        {"calibrator": {"raw": [0.0, 1.0], "calibrated": [0.9, 0.1]}},
        {"economics": {"x": 1}},
    ):
        with pytest.raises(ValueError, match=r"has the wrong type|do not rise|is missing"):
            parse_decision(json.dumps({**json.loads(decision.content), **change}).encode())
    with pytest.raises(ValueError, match="its knots are not probabilities"):
        parse_calibrator({"raw": [0.0, 2.0], "calibrated": [0.0, 1.0]})
    assert Calibrator().apply(np.array([0.2])).tolist() == [0.2]


@given(answers)
def test_the_threshold_of_the_highest_f1_is_that_of_brute_force(
    rows: list[tuple[float, bool]],
) -> None:
    probability, label = split(rows)
    assume(label.any())

    def f1(threshold: float) -> float:
        flagged = probability >= threshold
        return 2 * (flagged & label).sum() / (flagged.sum() + label.sum())

    best = max(f1(t) for t in probability)
    assert best_f1_threshold(label, probability) == max(t for t in probability if f1(t) == best)


@pytest.mark.parametrize("stored", ["none", 1.0000000000000002])
def test_nobody_is_a_word_in_the_file_and_never_a_number_above_1(stored: object) -> None:
    """Earlier releases stored the smallest number above 1."""
    decision = Decision(
        threshold=None, rule=MOST_VALUE, calibrator=Calibrator(), economics=Economics(**MONEY)
    )
    values = json.loads(decision.content)
    assert values["threshold"] == "none"
    assert parse_decision(json.dumps({**values, "threshold": stored}).encode()) == decision
    assert not flag_rows(np.array([0.5, 1.0]), decision.threshold).any()


def test_money_that_is_not_set_comes_back_as_not_set() -> None:
    decision = Decision(threshold=0.2, rule=HIGHEST_F1, calibrator=Calibrator(), economics=None)
    assert parse_decision(decision.content) == decision
    assert list_flagging_remarks(decision, flagged=3, rows=9) == (MONEY_NOT_SET,)


def test_what_would_change_that_no_offer_pays_is_said() -> None:
    def remark(**changes: float) -> str:
        economics = Economics(**{**MONEY, **changes})
        decision = Decision(
            threshold=None, rule=MOST_VALUE, calibrator=Calibrator(), economics=economics
        )
        (sentence,) = list_flagging_remarks(decision, flagged=0, rows=9)
        return sentence

    assert "kept_value=20, offer_cost=20 and offer_success=0.3" in remark(kept_value=20)
    assert "a lower offer_cost would change it" in remark(kept_value=20)
    assert "within offer_budget=5" in remark(offer_budget=5)
    assert "within offer_budget=1234567.89" in remark(offer_budget=1234567.89)
    assert "or a larger offer_budget would change it" in remark(offer_budget=5)
