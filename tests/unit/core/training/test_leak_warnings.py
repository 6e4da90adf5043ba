"""Each warning of a leak at its limits. tests/proofs/test_leaks.py has the rates."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from support.leaks import LEAKS, clean, plant, warnings

from streamflow.core.statistics.metrics import auc
from streamflow.core.training.column_honesty import cross_rates, group_rows, is_first_half
from streamflow.core.training.deciding_sets import find_deciding_sets, measure_cells
from streamflow.core.training.leak_warnings import find_dominant_columns, find_outcome_names
from streamflow.core.training.pure_ranges import find_pure_ranges


def test_clean_sets_are_silent() -> None:
    assert [str(finding) for seed in range(4) for finding in warnings(*clean(seed))] == []


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_named_and_refuses_nothing(leak: str) -> None:
    _, checks, subject = LEAKS[leak]
    found = warnings(*plant(leak, 1_000))
    assert checks <= {finding.check for finding in found if finding.subject == subject}
    assert {finding.severity for finding in found} == {"warning"}


@pytest.mark.parametrize(
    ("name", "is_named"),
    [
        ("churn_score", True),
        ("churn_reason", True),
        ("cancellation_date", True),
        ("exited_on", True),
        ("complaint_reason", True),
        ("credit_score", False),
        ("reasonable_use", False),
        ("exiting_offers", False),
        ("monthly_fee", False),
    ],
)
def test_a_name_speaks_of_the_outcome(name: str, *, is_named: bool) -> None:
    assert bool(list(find_outcome_names([name]))) is is_named


def test_a_range_needs_a_hard_end_and_enough_rows() -> None:
    score = np.repeat(np.arange(100), 20)
    random = np.random.default_rng(1)

    def found(share: np.ndarray) -> list[str]:
        label = random.random(len(score)) < share
        return [finding.words for finding in find_pure_ranges(pl.Series("score", score), label)]

    hard = np.where(score < 64, 0.0, np.where(score > 80, 1.0, 0.5))
    (words,) = found(hard)
    assert "rows from 0 to 63 are negative" in words
    assert "rows from 81 to 99 are positive" in words
    slope = np.clip((score - 20) / 60, 0, 1)
    assert found(slope) == []
    few = np.where(score == 99, 1.0, 0.5)
    assert found(few) == []
    assert found(np.full(len(score), 0.001)) == []


def test_the_middle_of_a_number_is_a_range_too_and_nulls_are_left_out() -> None:
    score = pl.Series("score", [None, *np.repeat(np.arange(60), 30).tolist()])
    draw = np.random.default_rng(2).random(len(score)) < 0.5
    label = draw & ~score.is_between(20, 40).fill_null(False).to_numpy()
    (finding,) = find_pure_ranges(score, label)
    assert "rows from 20 to 40 are negative" in finding.words


def test_a_strong_column_among_strong_ones_is_not_dominant() -> None:
    random = np.random.default_rng(4)
    label = random.random(3_000) < 0.3
    strong = [label + random.normal(0, 0.65, len(label)) for _ in range(3)]
    weak = label + random.normal(0, 4.0, len(label))
    separation = {"a": 0.86, "b": 0.86, "c": 0.86}
    together = pl.DataFrame(dict(zip("abc", strong, strict=True)))
    assert list(find_dominant_columns(together, label, separation)) == []
    alone = pl.DataFrame({"a": strong[0], "b": weak})
    (finding,) = find_dominant_columns(alone, label, {"a": 0.86, "b": 0.57})
    assert finding.subject == "a"
    assert finding.numbers["auc"] == 0.86
    assert 0.5 < finding.numbers["others"] < 0.65


def test_the_auc_of_cells_is_the_one_of_rows() -> None:
    frame, label = clean(3)
    outcome = 2 * is_first_half(len(label)) + label
    for column in frame:
        group = group_rows(column)
        by_rows = auc(label, cross_rates(group, label))
        assert measure_cells(group, outcome) == pytest.approx(by_rows, abs=1e-12)


def test_more_columns_than_all_triples_still_show_a_rule_that_a_pair_begins() -> None:
    random = np.random.default_rng(5)
    flags = random.random((30, 4_000)) < 0.5
    label = (flags[3].astype(int) + flags[17] + flags[25]) >= 2
    frame = pl.DataFrame({f"f{number:02}": flag for number, flag in enumerate(flags)})
    separation = dict.fromkeys(frame.columns, 0.5) | {"f03": 0.75, "f17": 0.75, "f25": 0.75}
    (finding,) = find_deciding_sets(frame, label, separation)
    assert finding.subject == "f03, f17, f25"


@pytest.mark.parametrize("type_name", [pl.Float64, pl.Int64, pl.Boolean, pl.String])
def test_a_column_without_any_value_is_no_leak(type_name: type[pl.DataType]) -> None:
    frame, label = clean(1)
    empty = pl.Series("empty", [None] * len(frame), dtype=type_name)
    assert [str(finding) for finding in warnings(frame.with_columns(empty), label)] == []
    assert list(find_pure_ranges(empty.cast(pl.Float64), label)) == []
