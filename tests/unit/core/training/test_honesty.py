"""Each check of label and panel honesty at its limits.

tests/proofs shows what all of them do on months of data.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from support.honesty import FAULTS, Pair, alarms, findings, pair

from streamflow.core.data.instants import instant_of_day
from streamflow.core.statistics.intervals import (
    auc_decrease,
    measure_ranking,
    ratio_interval,
    share_interval,
)
from streamflow.core.training import panel_honesty as panel
from streamflow.core.training.column_honesty import (
    find_constant_columns,
    find_deciding_columns,
    measure_separation,
)
from streamflow.core.training.honesty import (
    HonestyFinding,
    HonestyReport,
    check_label_period,
    parse_honesty,
)

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
LABEL = np.arange(400) % 4 == 0


def severities(found: list[HonestyFinding]) -> list[tuple[str, str]]:
    return [(f.check, f.severity) for f in found]


@pytest.mark.parametrize(("days", "severity"), [(-29, "severe"), (0, "note"), (29, "note")])
def test_a_label_of_the_past_is_severe(days: int, severity: str) -> None:
    found = check_label_period(
        instant_of_day(FEBRUARY), instant_of_day(FEBRUARY) + timedelta(days=days)
    )
    assert severities(found) == [("label-period", severity)]
    assert found[0].numbers == {"days": days}
    assert str(abs(days)) in found[0].words or not days


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.where(LABEL, 9.0, 1.0), id="float"),
        pytest.param(np.where(LABEL, -9, np.arange(400)), id="int, falling"),
        pytest.param(np.where(LABEL, 200, np.arange(400)), id="int, in the middle"),
        pytest.param(LABEL, id="bool"),
        pytest.param(
            np.where(LABEL, "gone", np.where(np.arange(400) % 3 == 0, "a", "b")), id="text"
        ),
    ],
)
def test_a_column_of_any_type_that_decides_is_severe(values: np.ndarray) -> None:
    found = list(find_deciding_columns(pl.DataFrame({"told": values}), LABEL))
    assert [(f.check, f.severity, f.subject) for f in found] == [
        ("single-feature", "severe", "told")
    ]


def test_a_column_decides_from_095_on_and_not_below() -> None:
    for wrong, many in (
        (0.04, 1),
        (0.06, 0),
    ):  # so many of each class have the other's value: AUC is 1 - that
        flip = np.arange(4000) // 4 % 100 < 100 * wrong
        label = np.arange(4000) % 4 == 0
        assert len(list(find_deciding_columns(pl.DataFrame({"told": label ^ flip}), label))) == many


@pytest.mark.parametrize("users", [pytest.param(400, id="400"), pytest.param(41, id="41")])
def test_by_chance_no_column_decides(users: int) -> None:
    random = np.random.default_rng(users)
    for _ in range(40):
        label = random.permutation(users) < max(users // 4, 20)
        noise = {
            "few": random.integers(0, 3, users),
            "many": random.random(users),
            "key": [f"user {i}" for i in range(users)],
            "hole": [None if r < 0.9 else r for r in random.random(users)],
            "code": [f"{i}" for i in random.integers(0, users // 2, users)],
        }
        assert list(find_deciding_columns(pl.DataFrame(noise), label)) == []


def test_nothing_is_said_of_columns_with_few_rows_of_a_class() -> None:
    for label in (np.arange(400) < 19, np.zeros(400, dtype=bool), np.ones(400, dtype=bool)):
        found = list(find_deciding_columns(pl.DataFrame({"told": label}), label))
        assert severities(found) == [("single-feature", "note")]
        assert f"{label.sum()} of 400 rows are positive" in found[0].words


def test_a_column_without_a_value_decides_nothing_and_is_constant() -> None:
    frame = pl.DataFrame(
        {
            "empty": pl.Series([None] * 400, dtype=pl.Float64),
            "same": [1] * 400,
            "name": pl.Series([None] * 400),
        }
    )
    assert list(find_deciding_columns(frame, LABEL)) == []
    assert [f.subject for f in find_constant_columns(frame)] == ["empty, same, name"]
    assert find_constant_columns(pl.DataFrame({"some": [1, None]})) == []


@pytest.mark.parametrize(
    "of_whom", [pytest.param(LABEL, id="churners"), pytest.param(~LABEL, id="the others")]
)
@pytest.mark.parametrize("filled", [True, False])
def test_a_value_that_one_class_alone_has_is_severe_once(of_whom: np.ndarray, filled: bool) -> None:
    there = of_whom if filled else ~of_whom
    for column in (
        pl.Series("hours", np.arange(400.0)),
        pl.Series("day", np.arange(400)).cast(pl.Date),
    ):
        frame = column.to_frame().select(pl.when(pl.Series(there)).then(pl.col(column.name)))
        assert [(f.check, f.severity, f.subject) for f in find_deciding_columns(frame, LABEL)] == [
            ("missingness", "severe", column.name)
        ]


def test_a_value_that_a_part_of_the_rarer_class_alone_has_is_severe() -> None:
    told = LABEL & (np.arange(400) < 80)  # 20 of 100
    frame = pl.DataFrame({"reason": [1.0 if t else None for t in told]})
    found = list(find_deciding_columns(frame, LABEL))
    assert severities(found) == [("missingness", "severe")]
    assert found[0].numbers == {
        "positives": 100,
        "negatives": 300,
        "positives_with_value": 20,
        "negatives_with_value": 0,
    }
    usual = (np.arange(400) % 4 != 0) & (
        np.arange(400) < 160
    )  # of the common class alone: many a plan is such
    assert (
        list(
            find_deciding_columns(
                pl.DataFrame({"plan": [1.0 if t else None for t in usual]}), LABEL
            )
        )
        == []
    )


def test_separation_is_the_auc_of_an_ordered_column() -> None:
    random = np.random.default_rng(3)
    for gap in (0.0, 1.0, -2.0):
        values = random.normal(gap * LABEL, 1.0)
        oracle = measure_ranking(LABEL, values).auc
        assert measure_separation(pl.Series(values), LABEL) == pytest.approx(
            max(oracle, 1 - oracle), abs=0.05
        )


def test_a_late_revision_is_severe_where_it_follows_the_outcome() -> None:
    index = np.arange(400)
    cases = {
        "of churners": (LABEL & (index < 100), True),
        "of all the others": (~LABEL, True),
        "of everybody": (np.ones(400, dtype=bool), False),
        "of nobody": (np.zeros(400, dtype=bool), False),
        "of two churners": (LABEL & (index < 8), False),
        "of every tenth": (index % 10 == 0, False),
        "twice as often": ((LABEL & (index % 8 == 0)) | (~LABEL & (index % 5 == 1)), False),
    }
    for changed, severe in cases.values():
        assert bool(panel.check_late_revision("fee", "users", changed, LABEL)) == severe
    one_class = np.zeros(400, dtype=bool)
    assert panel.check_late_revision("fee", "users", LABEL, one_class) == []
    rare = panel.check_late_revision(
        "fee", "users", ~LABEL & (index < 100), ~LABEL
    )  # the outcome is the rarer class, whatever its name
    assert bool(rare) is False
    assert bool(panel.check_late_revision("fee", "users", LABEL & (index < 100), ~LABEL))


@pytest.mark.parametrize(
    ("stayed", "of", "said"),
    [(0, 0, 0), (0, 500, 0), (1, 1, 1), (5, 100, 0), (30, 100, 1), (100, 100, 1)],
)
def test_who_left_and_stays(stayed: int, of: int, said: int) -> None:
    assert (
        len(panel.check_leavers_left(stayed, of, earlier_drop=JANUARY, current_drop=FEBRUARY))
        == said
    )


@pytest.mark.parametrize(
    ("step", "said"),
    [
        pytest.param(np.ones(400), 0, id="all advance"),
        pytest.param(np.arange(400) >= 20, 0, id="5 % stand still"),
        pytest.param(np.arange(400) >= 60, 1, id="15 % stand still"),
        pytest.param(np.where(np.arange(400) < 2, -1, 1), 0, id="two fall"),
        pytest.param(np.where(np.arange(400) < 20, -1, 1), 1, id="5 % fall"),
        pytest.param(np.full(400, np.nan), 0, id="all missing"),
        pytest.param(np.ones(0), 0, id="no common key"),
    ],
)
def test_a_counter(step: np.ndarray, said: int) -> None:
    before = np.arange(len(step)) * 1.5
    found = panel.check_counter("months", before, before + step, since=JANUARY)
    assert len(found) == said
    if found:
        assert found[0].numbers == {
            "keys": 400,
            "not_advanced": (step <= 0).sum(),
            "fell": (step < 0).sum(),
        }


def test_a_base_rate() -> None:
    def said(now: float, users: int = 7000) -> int:
        index = np.arange(users)
        return len(panel.check_base_rate(index < 0.25 * users, index < now * users, since=JANUARY))

    assert [said(now) for now in (0.25, 0.23, 0.3, 0.4, 0.1)] == [0, 0, 0, 1, 1]
    assert said(0.4, users=40) == 0
    assert said(0.0) == 1
    assert panel.check_base_rate(np.zeros(0, dtype=bool), LABEL, since=JANUARY) == []


def test_the_report_is_the_same_bytes_and_comes_back() -> None:
    found = (
        HonestyFinding(check="a", severity="note", words="ä"),
        HonestyFinding(check="b", severity="severe", words="b", numbers={"auc": 1}),
    )
    report = HonestyReport(
        as_of=FEBRUARY, label_as_of=FEBRUARY, label_lead=0, previous=JANUARY, rows=9, findings=found
    )
    assert parse_honesty(report.content) == report
    assert report.severe
    assert report.lines == ("severe: b", "note: ä")
    assert report.counts == "1 severe, 0 warnings, 1 note"
    for broken in (b"{}", b"[]", b"no json", report.content.replace(b'"check"', b'"name"')):
        with pytest.raises(ValueError, match=r".+"):
            parse_honesty(broken)


@given(st.integers(0, 60), st.integers(1, 60))
def test_a_share_is_wilsons(count: int, of: int) -> None:
    count = min(count, of)
    oracle = binomtest(count, of).proportion_ci(0.999, method="wilson")
    found = share_interval(count, of)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-4)


def test_intervals_hold_what_they_promise() -> None:
    """Over draws with a known truth: an interval of 99.9 % misses about one in a thousand."""
    random, missed, draws = np.random.default_rng(8), np.zeros(2), 1500
    auc_of_one = 0.7602  # of two normals, one apart: the normal distribution at 1/sqrt(2)
    for _ in range(draws):
        label = random.random(300) < 0.3
        first, second = (measure_ranking(label, random.normal(label, 1.0)) for _ in range(2))
        found, rates = (
            auc_decrease(first, second),
            ratio_interval(*(random.binomial(400, p) if p else 400 for p in (0.2, 0, 0.25, 0))),
        )
        missed += (not found.low <= 0 <= found.high, not rates.low <= 0.8 <= rates.high)
        assert abs(first.auc - auc_of_one) < 0.2
    assert (missed <= 8).all(), missed  # 1.5 are expected; 9 would come once in ten thousand


def test_delongs_variance_is_that_of_many_draws() -> None:
    random = np.random.default_rng(4)
    drawn = [measure_ranking(LABEL, np.round(random.normal(LABEL, 1.0), 1)) for _ in range(800)]
    assert np.mean([r.variance for r in drawn]) == pytest.approx(
        np.var([r.auc for r in drawn]), rel=0.2
    )


def test_clean_months_are_silent_and_each_fault_is_found() -> None:
    """A few of what tests/proofs/test_honesty.py does 200 times."""
    for seed in range(3):
        assert alarms(findings(pair(seed, users=1000))) == []
    for number, (check, plant) in enumerate(FAULTS.values()):
        assert {f.check for f in alarms(findings(plant(pair(100 + number))))} == {check}


def test_integer_keys_are_keys() -> None:
    """The same months with numbers for names: the split is by the number's text."""
    months = pair(1)
    names = pl.concat([months.before["user_id"], months.now["user_id"]]).unique(maintain_order=True)
    numbers = {name: 7 * i + 1 for i, name in enumerate(names)}
    before, now = (
        f.with_columns(pl.col("user_id").replace_strict(numbers)).sort("user_id")
        for f in (months.before, months.now)
    )
    numbered = Pair(before, now, {}, months.random)
    assert before["user_id"].dtype == pl.Int64
    assert alarms(findings(numbered)) == []
    assert {f.check for f in alarms(findings(FAULTS["labels of somebody else"][1](numbered)))} == {
        "label-rule"
    }
