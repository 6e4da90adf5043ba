"""The bins of two samples: what is far apart is never counted as the same."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.core.monitoring.bins import BINS, MAX_COUNTED_VALUES, count_in_bins
from streamflow.core.monitoring.drift import FeatureDrift, compare_features
from streamflow.core.monitoring.drift_tests import psi

# Two neighbouring tenths of the reference share a bin at most.
LARGE_DISTANCE = 2 / BINS


def drift_of(reference: pl.Series, current: pl.Series) -> FeatureDrift:
    """The comparison of two samples of a number, at the default settings."""
    frames = (pl.DataFrame({"f": sample}) for sample in (reference, current))
    return compare_features(*frames, categorical=set(), drift_psi=0.1, false_discovery=0.05)[0]


def with_mass(share: float, mass: float, rest: np.ndarray) -> pl.Series:
    """The first `share` of the rows has the value `mass`."""
    values = rest.copy()
    values[: round(share * len(rest))] = mass
    return pl.Series(values)


@pytest.mark.parametrize(
    "mass", [0.0, 0.5, 1.0, -1.0], ids=["minimum", "middle", "maximum", "below"]
)
@pytest.mark.parametrize(("before", "after"), [(0.95, 0.2), (0.92, 0.5), (0.5, 0.1), (0.3, 0.02)])
def test_a_mass_point_that_shrinks_is_drift(mass: float, before: float, after: float) -> None:
    random = np.random.default_rng(1)
    reference = with_mass(before, mass, random.random(2000))
    current = with_mass(after, mass, random.random(2000))
    for drift in (drift_of(reference, current), drift_of(current, reference)):
        assert drift.drifted
        assert drift.psi > 0.1


def test_the_psi_of_zeros_is_that_of_the_book() -> None:
    """95 % zeros become 20 %: the tenths of the rest do not matter, since all are above zero."""
    random = np.random.default_rng(2)
    reference = with_mass(0.95, 0.0, 1 + random.random(2000))
    current = with_mass(0.20, 0.0, 1 + random.random(2000))
    drift = drift_of(reference, current)
    assert drift.bins.names == ("below 0", "0", "above 0", "missing")
    assert drift.bins.reference == (0, 1900, 100, 0)
    assert drift.bins.current == (0, 400, 1600, 0)
    expected = (0.20 - 0.95) * np.log(0.20 / 0.95) + (0.80 - 0.05) * np.log(0.80 / 0.05)
    assert drift.psi == pytest.approx(expected)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_constant_that_begins_to_vary_is_drift(direction: int) -> None:
    constant = pl.Series(np.full(5000, 3.0))
    varies = np.full(5000, 3.0)
    varies[:100] += direction * (1 + np.arange(100))
    assert drift_of(constant, pl.Series(varies)).drifted
    assert drift_of(pl.Series(varies), constant).drifted


def test_several_mass_points_have_a_bin_each() -> None:
    random = np.random.default_rng(3)
    values = np.concatenate(
        [np.zeros(300), np.full(300, 10.0), 10 * random.random(300), np.ones(50)]
    )
    bins = count_in_bins(pl.Series(values), pl.Series(values), categorical=False)
    rows = dict(zip(bins.names, bins.reference, strict=True))
    assert rows["0"] == rows["10"] == 300
    assert rows["above 10"] == rows["below 0"] == 0
    assert len(bins.names) == len(set(bins.names))
    assert bins.reference == bins.current


def test_whole_numbers_beyond_the_digits_of_a_float_have_bins_of_their_own() -> None:
    large = 2**53
    reference = pl.Series([large] * 90 + [large + 1 + n for n in range(30)])
    current = pl.Series([large + 1] * 90 + [large + 1 + n for n in range(30)])
    assert drift_of(reference, current).psi > 0.5


@given(st.data())
def test_a_large_distance_never_has_a_psi_of_zero(data: st.DataObject) -> None:
    """The distance is that of Kolmogorov and Smirnov: the largest one between the two shares."""
    value = st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, 5.0]),
        st.floats(-10, 10, width=32).map(lambda number: number + 0),
    )
    parts = st.lists(st.tuples(value, st.integers(1, 60)), min_size=1, max_size=30)
    reference, current = (
        np.repeat([part[0] for part in drawn], [part[1] for part in drawn])
        for drawn in (data.draw(parts), data.draw(parts))
    )
    bins = count_in_bins(pl.Series(reference), pl.Series(current), categorical=False)
    values = np.union1d(reference, current)
    shares = [
        np.searchsorted(np.sort(sample), values, side="right") / len(sample)
        for sample in (reference, current)
    ]
    distance = np.abs(shares[0] - shares[1]).max()
    if distance > LARGE_DISTANCE + 1e-9:
        assert psi(bins) > 0.01


@given(st.lists(st.one_of(st.just(0.0), st.floats(-5, 5, width=32)), min_size=1, max_size=200))
def test_a_bin_of_the_reference_is_a_mass_point_or_small(values: list[float]) -> None:
    numbers = [number + 0 for number in values]
    reference = pl.Series(numbers, dtype=pl.Float64)
    # The current rows have many values, so that none is counted by value.
    current = pl.Series(np.linspace(-9, 9, 50))
    bins = count_in_bins(reference, current, categorical=False)
    rows_of_value = [numbers.count(number) for number in set(numbers)]
    for rows in bins.reference[:-1]:
        assert rows <= LARGE_DISTANCE * len(numbers) or rows in rows_of_value


def test_a_category_of_a_small_drop_is_not_hidden_by_a_large_reference() -> None:
    """Half of 200 rows have a category that 100 of 100,000 rows had."""
    common = [f"town {n % 40}" for n in range(99_900)]
    reference = pl.Series(common + ["new"] * 100)
    current = pl.Series(common[:100] + ["new"] * 100)
    bins = count_in_bins(reference, current, categorical=True)
    position = bins.names.index("new")
    assert (bins.reference[position], bins.current[position]) == (100, 100)
    assert len(bins.names) == MAX_COUNTED_VALUES + 2
