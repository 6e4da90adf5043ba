"""Drift of features, labels and concept, against different formulas.

And its use, on months whose truth is known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.months import EXPECTED, PLANTED, found, population, reference_system_fires

from streamflow.core.monitoring.bins import MAX_COUNTED_VALUES, BinCounts, count_in_bins
from streamflow.core.monitoring.drift import (
    FeatureDrift,
    adjust_p_values,
    compare_column,
    compare_features,
)
from streamflow.core.monitoring.drift_tests import TestResult, compare_rates, psi
from streamflow.core.monitoring.performance import (
    compare_labels,
    compare_performance,
    measure_performance,
)
from streamflow.core.statistics.intervals import measure_ranking
from streamflow.core.statistics.metrics import auc

# `ingest` makes 0.0 of -0.0
numbers = st.lists(
    st.one_of(
        st.none(),
        st.integers(-3, 3).map(float),
        st.floats(allow_infinity=False, width=32).map(lambda x: x + 0),
    ),
    min_size=1,
    max_size=60,
)
words = st.lists(
    st.one_of(st.none(), st.sampled_from("abcdefgh"), st.text(max_size=3)), min_size=1, max_size=60
)
pairs = st.one_of(
    st.tuples(
        numbers.map(lambda v: pl.Series(v, dtype=pl.Float64)),
        numbers.map(lambda v: pl.Series(v, dtype=pl.Float64)),
    ),
    st.tuples(
        words.map(lambda v: pl.Series(v, dtype=pl.String)),
        words.map(lambda v: pl.Series(v, dtype=pl.String)),
    ),
)


def drifts(reference: pl.Series, current: pl.Series) -> FeatureDrift:
    frames = (pl.DataFrame({"f": s}) for s in (reference, current))
    return compare_features(*frames, categorical=set(), drift_psi=0.1, false_discovery=0.05)[0]


def by_hand(reference: Sequence[object], current: Sequence[object]) -> float:
    """PSI of values that are counted, by the book."""
    p, q = (Counter(values) for values in (reference, current))
    total = 0.0
    for value in {*p, *q}:
        expected, actual = (max(counts[value] / sum(counts.values()), 1e-4) for counts in (p, q))
        total += (actual - expected) * math.log(actual / expected)
    return total


@given(
    st.lists(st.sampled_from(["a", "b", None]), min_size=1),
    st.lists(st.sampled_from(["b", "c", None]), min_size=1),
)
def test_psi_of_categories_is_that_of_the_book(
    reference: list[str | None], current: list[str | None]
) -> None:
    bins = count_in_bins(
        pl.Series(reference, dtype=pl.String), pl.Series(current, dtype=pl.String), categorical=True
    )
    assert psi(bins) == pytest.approx(by_hand(reference, current), abs=1e-12)


def test_psi_of_numbers_is_that_of_the_tenths_of_the_reference() -> None:
    random = np.random.default_rng(1)
    reference, current = random.normal(size=1000), random.normal(0.3, 1.2, size=700)
    edges = np.sort(reference)[[99, 199, 299, 399, 499, 599, 699, 799, 899]]
    tenths = [[sum(x >= e for e in edges) for x in sample] for sample in (reference, current)]
    bins = count_in_bins(pl.Series(reference), pl.Series(current), categorical=False)
    assert psi(bins) == pytest.approx(by_hand(*tenths), rel=1e-9)
    assert bins.names[-1] == "missing"
    assert (sum(bins.reference), sum(bins.current)) == (1000, 700)


@given(pairs)
def test_a_column_of_any_kind_has_numbers_and_no_nan(pair: tuple[pl.Series, pl.Series]) -> None:
    f = drifts(*pair)
    assert f.psi >= 0
    assert math.isfinite(f.psi)
    tests = [f.distribution, f.missing.test, *([f.unseen.test] if f.unseen else [])]
    assert all(0 <= p <= 1 for test in tests for p in (test.p, test.p_adjusted))
    assert all(math.isfinite(test.statistic) for test in tests)
    assert (sum(f.bins.reference), sum(f.bins.current)) == tuple(map(len, pair))


@given(pairs)
def test_what_is_identical_has_not_drifted(pair: tuple[pl.Series, pl.Series]) -> None:
    f = drifts(pair[0], pair[0])
    assert f.psi == 0.0
    assert not f.drifted


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(
    pair: tuple[pl.Series, pl.Series], random: object
) -> None:
    turned = [s.sample(fraction=1, shuffle=True, seed=random.randint(0, 99)) for s in pair]  # type: ignore[attr-defined]
    assert drifts(*turned) == drifts(*pair)


@pytest.mark.parametrize(
    "values", [[1.5] * 200, [None] * 200, [float("nan")] * 200, [1.5, None] * 100]
)
def test_a_constant_or_empty_column_is_compared_too(values: list[float | None]) -> None:
    column, other = pl.Series(values, dtype=pl.Float64), pl.Series(np.linspace(0, 1, 200))
    assert not drifts(column, column).drifted
    assert drifts(column, other).drifted
    assert drifts(other, column).drifted


def test_many_rows_make_a_trifle_significant_and_no_drift() -> None:
    random = np.random.default_rng(2)
    f = drifts(
        pl.Series(random.normal(size=40_000)), pl.Series(random.normal(0.08, 1, size=40_000))
    )
    assert f.distribution.p_adjusted < 1e-6
    assert f.psi < 0.02
    assert not f.drifted


def test_few_rows_make_a_large_psi_by_chance_and_no_drift() -> None:
    random = np.random.default_rng(3)
    f = drifts(pl.Series(random.normal(size=40)), pl.Series(random.normal(size=40)))
    assert f.psi > 0.1
    assert not f.drifted


def test_the_adjusted_p_is_that_of_benjamini_and_hochberg_over_all_tests() -> None:
    random = np.random.default_rng(4)
    found = [
        compare_column(
            f"f{i}",
            pl.Series(random.normal(size=300)),
            pl.Series(random.normal(i / 20, 1, size=300)),
            categorical=False,
        )
        for i in range(6)
    ]
    p = [value for f in found for value in (f.distribution.p, f.missing.test.p)]
    ranked = sorted(range(len(p)), key=p.__getitem__)
    expected, least = [0.0] * len(p), 1.0
    for place in reversed(
        range(len(p))
    ):  # from the largest down: p times m over rank, never above the one after it
        least = min(least, p[ranked[place]] * len(p) / (place + 1))
        expected[ranked[place]] = least
    done = adjust_p_values(found)
    assert [
        v for f in done for v in (f.distribution.p_adjusted, f.missing.test.p_adjusted)
    ] == pytest.approx(expected)
    assert adjust_p_values([]) == ()


def test_the_tests_are_those_of_scipy() -> None:
    random = np.random.default_rng(5)
    a, b = random.normal(size=500), random.normal(0.1, 1, size=400)
    ks = compare_column("f", pl.Series(a), pl.Series(b), categorical=False).distribution
    assert (ks.method, ks.p) == (
        "Kolmogorov-Smirnov D",
        pytest.approx(stats.ks_2samp(a, b, method="asymp").pvalue),
    )
    few, other = random.integers(0, 4, 500), random.integers(0, 5, 400)
    table = np.array([np.bincount(few, minlength=5), np.bincount(other, minlength=5)])
    counted = compare_column("f", pl.Series(few), pl.Series(other), categorical=False).distribution
    assert (counted.method, counted.p) == (
        "chi-square",
        pytest.approx(stats.chi2_contingency(table).pvalue),
    )
    z = compare_rates(30, 200, 55, 210).test
    assert z.p == pytest.approx(
        stats.chi2_contingency([[30, 170], [55, 155]], correction=False).pvalue
    )


def test_a_category_that_was_never_seen_is_named_with_its_rows() -> None:
    reference = pl.Series(["DSL", "No"] * 500)
    f = drifts(
        reference, pl.Series(["DSL"] * 480 + ["No"] * 480 + ["Satellite"] * 38 + ["Cable"] * 2)
    )
    assert f.strangers == (("Satellite", 38), ("Cable", 2))
    assert f.reasons[1:] == (
        "f: 4.00% of the rows hold a category that the reference does not have:"
        " 'Satellite' 38, 'Cable' 2",
    )
    assert f.reasons[0].startswith("f: PSI 0.232 is not below 0.1; chi-square=40.82, adjusted p ")
    rare = drifts(reference, pl.Series(["DSL"] * 499 + ["No"] * 499 + ["Satellite"] * 2))
    assert rare.strangers == (("Satellite", 2),)
    assert not rare.drifted


def test_a_column_of_many_rare_categories_has_new_ones_and_has_not_drifted() -> None:
    towns = np.random.default_rng(6).integers(0, 3000, size=(2, 1500)).astype(str)
    f = drifts(pl.Series(towns[0]), pl.Series(towns[1]))
    assert f.unseen is not None
    assert f.unseen.current > 0.5
    assert not f.drifted
    assert len(f.bins.names) <= MAX_COUNTED_VALUES + 2


def test_missing_values_that_appear_are_drift_from_one_point_on() -> None:
    full = pl.Series(np.linspace(0, 1, 3000))
    seldom, often = (
        pl.Series([None if i % one_in == 0 else x for i, x in enumerate(full)])
        for one_in in (150, 40)
    )
    assert not drifts(full, seldom).drifted
    assert drifts(full, often).reasons == ("f: missing 0.00% -> 2.50%",)
    assert drifts(often, full).drifted


@given(st.data())
def test_the_error_of_auc_is_delongs(data: st.DataObject) -> None:
    size = st.integers(2, 12)
    scores = st.integers(0, 6)
    positives, negatives = (
        np.array(data.draw(st.lists(scores, min_size=n, max_size=n)), dtype=float)
        for n in (data.draw(size), data.draw(size))
    )

    def psi_of(x: float, y: float) -> float:
        """DeLong's kernel, as it is printed."""
        return 1.0 if y < x else 0.5 if y == x else 0.0

    v10 = [np.mean([psi_of(x, y) for y in negatives]) for x in positives]
    v01 = [np.mean([psi_of(x, y) for x in positives]) for y in negatives]
    label, scored = (
        np.r_[np.ones(len(positives)), np.zeros(len(negatives))].astype(int),
        np.r_[positives, negatives],
    )
    assert np.mean(v10) == pytest.approx(auc(label, scored))
    assert math.sqrt(measure_ranking(label.astype(bool), scored).variance) == pytest.approx(
        math.sqrt(np.var(v10, ddof=1) / len(v10) + np.var(v01, ddof=1) / len(v01))
    )


def test_the_interval_of_labels_is_newcombes() -> None:
    """Method 10 of Newcombe (1998), on his first example."""
    found = compare_labels(np.arange(80) < 48, np.arange(70) < 56)
    assert found.difference == pytest.approx(0.2)
    wilson = [
        stats.binomtest(k, n).proportion_ci(0.99, method="wilson") for k, n in ((48, 80), (56, 70))
    ]
    assert found.low == pytest.approx(0.2 - math.hypot(0.8 - wilson[1].low, wilson[0].high - 0.6))
    assert found.high == pytest.approx(0.2 + math.hypot(wilson[1].high - 0.8, 0.6 - wilson[0].low))
    assert found.fires


def test_a_version_that_ranks_better_does_not_fire_and_too_few_labels_are_not_judged() -> None:
    label = np.arange(400) % 4 == 0
    noise = np.random.default_rng(7).random(400)
    good, bad = (
        measure_performance(label, p, threshold=0.5, seed=1, draws=50)
        for p in (noise / 2 + label / 2, noise)
    )
    assert good
    assert bad
    assert compare_performance(good, bad).fires
    assert not compare_performance(bad, good).fires
    assert compare_performance(good, good).difference == 0.0
    assert (
        measure_performance(np.arange(100) < 9, noise[:100], threshold=0.5, seed=1, draws=50)
        is None
    )


def test_a_test_and_bins_are_values() -> None:
    assert TestResult(method="z", statistic=0.0, p=1.0) == TestResult(
        method="z", statistic=0.0, p=1.0
    )
    assert psi(BinCounts(names=("missing",), reference=(0,), current=(0,))) == 0.0


@pytest.mark.parametrize("seed", range(1, 17, 2))
def test_a_month_in_which_nothing_happened_is_silent(seed: int) -> None:
    """Small form of the proof in tests/proofs/test_monitor.py."""
    january, other = population(2000, seed), population(2000, seed + 1)
    assert not found(january, other).fires
    assert reference_system_fires(january, other)


@pytest.mark.parametrize("planted", PLANTED)
def test_what_happened_is_found(planted: str) -> None:
    january, other = population(2000, 1), population(2000, 2)
    seen = found(january, PLANTED[planted](other))
    assert seen.drifted == EXPECTED[planted]
    assert seen.labels.fires == (planted == "labels")
    assert (seen.concept is not None and seen.concept.fires) == (planted == "concept")
