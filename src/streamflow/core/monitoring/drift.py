"""Drift of features: how much a distribution changed (PSI), and how certain the change is (tests).

The tests keep the rate of false discoveries under control. A feature has drifted when its test is
significant among all tests of the report AND its PSI reaches the threshold: with many rows tiny
differences are significant, and with few rows PSI can be large by chance. A rate (of missing
values, or of categories never seen before) has jumped when its test is significant and it moved by
more than one point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from streamflow.core.monitoring.bins import (
    BinCounts,
    count_in_bins,
    drop_missing,
    has_mass_point,
    is_counted_by_value,
)
from streamflow.core.monitoring.drift_tests import (
    Rate,
    TestResult,
    chi_square,
    compare_rates,
    kolmogorov_smirnov,
    psi,
)

# Of the categories never seen before, so many are named.
MAX_NAMED_CATEGORIES = 20
# A smaller p is shown as "below": its digits would only be rounding errors.
SMALLEST_SHOWN_P = 1e-16


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """The comparison of one feature between the reference and the current rows.

    Attributes:
        psi: The population stability index, in nats.
        missing: The rate of nulls.
        unseen: The rate of rows whose category no other row of the reference has. None for
            numbers.
        strangers: The categories that the reference does not have, with their rows, the most
            frequent first.
        reasons: Why the feature has drifted, as sentences. Empty when it has not.
    """

    name: str
    psi: float
    distribution: TestResult
    missing: Rate
    unseen: Rate | None
    strangers: tuple[tuple[str, int], ...]
    bins: BinCounts
    reasons: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Tell whether the feature has drifted."""
        return bool(self.reasons)


def compare_features(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    categorical: Collection[str],
    drift_psi: float,
    false_discovery: float,
) -> tuple[FeatureDrift, ...]:
    """Compare each column of `reference` with the same column of `current`.

    Args:
        reference: The rows that the version was trained on.
        current: The rows of the drop.
        categorical: The names of the categorical columns.
        drift_psi: From this PSI on, a feature may have drifted.
        false_discovery: Of the features reported as drifted, the expected share that has not
            drifted: the rate of Benjamini and Hochberg.

    >>> reference = pl.DataFrame({"hours": range(1000), "net": ["DSL", "No"] * 500})
    >>> current = pl.DataFrame({"hours": range(500, 1500), "net": ["DSL", "No"] * 500})
    >>> drifts = compare_features(
    ...     reference, current, categorical={"net"}, drift_psi=0.1, false_discovery=0.05
    ... )
    >>> [(drift.name, drift.drifted) for drift in drifts]
    [('hours', True), ('net', False)]
    """
    measurements = []
    for name in reference.columns:
        is_categorical = name in categorical
        measurement = compare_column(
            name,
            reference[name],
            current[name],
            categorical=is_categorical,
        )
        measurements.append(measurement)
    drifts = adjust_p_values(measurements)
    return tuple(_with_reasons(drift, drift_psi, false_discovery) for drift in drifts)


def compare_column(
    name: str,
    reference: pl.Series,
    current: pl.Series,
    *,
    categorical: bool,
) -> FeatureDrift:
    """Compare one column, missing values included.

    Whether it has drifted is decided later, over all columns.
    """
    bins = count_in_bins(reference, current, categorical=categorical)
    missing = compare_rates(
        bins.reference[-1], sum(bins.reference), bins.current[-1], sum(bins.current)
    )
    by_value = is_counted_by_value(reference, current, categorical=categorical)
    # Kolmogorov and Smirnov's test hardly sees a mass point that loses a few of its rows.
    if by_value or has_mass_point(reference):
        distribution = chi_square(bins)
    else:
        distribution = kolmogorov_smirnov(reference, current)
    unseen: Rate | None = None
    strangers: tuple[tuple[str, int], ...] = ()
    if categorical or reference.dtype in (pl.String, pl.Boolean):
        unseen, strangers = _compare_unseen_categories(reference, current)
    return FeatureDrift(
        name=name,
        psi=psi(bins),
        distribution=distribution,
        missing=missing,
        unseen=unseen,
        strangers=strangers,
        bins=bins,
    )


def _compare_unseen_categories(
    reference: pl.Series,
    current: pl.Series,
) -> tuple[Rate, tuple[tuple[str, int], ...]]:
    """Count the rows whose category the reference does not have.

    A column with many rare categories always brings new ones. Their expected number is the number
    of reference rows whose category no other reference row has (the estimate of Good and Turing).
    The rate is compared with that estimate.
    """
    reference_values = drop_missing(reference)
    current_values = drop_missing(current)
    reference_counts = reference_values.value_counts(name="rows")
    single_rows = reference_counts.filter(pl.col("rows") == 1).height
    is_known = current_values.is_in(reference_values.unique().implode())
    counts = current_values.filter(~is_known).value_counts(name="rows")
    by_frequency = counts.sort(["rows", current_values.name], descending=[True, False])
    unseen_rows = int(by_frequency["rows"].sum())
    most_frequent = by_frequency.head(MAX_NAMED_CATEGORIES).iter_rows()
    strangers = tuple((str(value), int(rows)) for value, rows in most_frequent)
    rate = compare_rates(
        single_rows,
        len(reference),
        unseen_rows,
        len(current),
    )
    return rate, strangers


def adjust_p_values(drifts: Sequence[FeatureDrift]) -> tuple[FeatureDrift, ...]:
    """Return copies of `drifts` with adjusted p-values.

    The method is that of Benjamini and Hochberg, over the tests of all features together.
    """
    from scipy import stats

    tests: list[TestResult] = []
    for drift in drifts:
        tests += _tests(drift)
    if not tests:
        return ()
    p_values = [min(test.p, 1.0) for test in tests]
    adjusted_p_values = iter(stats.false_discovery_control(p_values).tolist())
    return tuple(_with_adjusted(drift, adjusted_p_values) for drift in drifts)


def _tests(drift: FeatureDrift) -> list[TestResult]:
    tests = [drift.distribution, drift.missing.test]
    if drift.unseen:
        tests.append(drift.unseen.test)
    return tests


def _with_adjusted(drift: FeatureDrift, adjusted_p_values: Iterator[float]) -> FeatureDrift:
    """Return a copy with the next adjusted p-value for each test, in the order of `_tests`."""
    distribution = replace(drift.distribution, p_adjusted=next(adjusted_p_values))
    missing = _with_adjusted_rate(drift.missing, adjusted_p_values)
    unseen = None
    if drift.unseen:
        unseen = _with_adjusted_rate(drift.unseen, adjusted_p_values)
    return replace(drift, distribution=distribution, missing=missing, unseen=unseen)


def _with_adjusted_rate(compared: Rate, adjusted_p_values: Iterator[float]) -> Rate:
    test = replace(compared.test, p_adjusted=next(adjusted_p_values))
    return replace(compared, test=test)


def _with_reasons(drift: FeatureDrift, drift_psi: float, false_discovery: float) -> FeatureDrift:
    """Return a copy with the reasons why the feature has drifted."""
    reasons = []
    distribution = drift.distribution
    if drift.psi >= drift_psi and distribution.p_adjusted <= false_discovery:
        reasons.append(
            f"PSI {drift.psi:.3f} is not below {drift_psi:g};"
            f" {distribution.method}={distribution.statistic:.4g},"
            f" adjusted p {p_in_words(distribution.p_adjusted)}"
        )
    missing = drift.missing
    if missing.jumped(false_discovery):
        reasons.append(f"missing {missing.reference:.2%} -> {missing.current:.2%}")
    unseen = drift.unseen
    if unseen and unseen.jumped(false_discovery) and unseen.current > unseen.reference:
        names = ", ".join(f"'{value}' {rows:,}" for value, rows in drift.strangers[:3])
        reasons.append(
            f"{unseen.current:.2%} of the rows hold a category that the reference does not have:"
            f" {names}"
        )
    return replace(drift, reasons=tuple(f"{drift.name}: {reason}" for reason in reasons))


def p_in_words(p: float) -> str:
    """Return a p-value as a person reads it.

    >>> p_in_words(0.031), p_in_words(0.0)
    ('0.031', '< 1e-16')
    """
    return f"{p:.2g}" if p >= SMALLEST_SHOWN_P else "< 1e-16"
