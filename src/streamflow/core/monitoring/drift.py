"""Whether features are distributed as they were: how much by PSI, how sure by tests at a controlled rate of false discoveries.

A feature has drifted when its test is significant among all tests of the report AND its PSI reaches the threshold: of many rows
every trifle is significant, and of few rows PSI is large by chance. A rate, of missing values or of categories never seen, has
jumped when its test is significant and it moved by more than one point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.monitoring.bins import Binned, are_counted, binned, present

POINT = 0.01  # a rate that moved by less is no event, however sure it is: our convention
EXPECTED = 5  # rows that the chi-square test needs to expect in each cell (Cochran 1954); rarer values are counted together
NAMED = 20  # categories never seen that are named


@dataclass(frozen=True, kw_only=True)
class Test:
    """A test of one hypothesis. p_adjusted is Benjamini and Hochberg's, over all tests of the report."""

    __test__ = False  # pytest: this is no test of the suite

    method: str
    statistic: float
    p: float
    p_adjusted: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The share of rows of which something is true, there and here."""

    reference: float
    current: float
    test: Test

    def jumped(self, rate: float) -> bool:
        """Whether it moved by more than a point, surely."""
        return self.test.p_adjusted <= rate and abs(self.current - self.reference) > POINT


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """What was found of one feature.

    psi       in nats                                  missing  rate of nulls
    unseen    rate of rows whose category no other row of the reference has; None for numbers
    strangers categories that the reference does not have, with their rows, the most frequent first
    reasons   in words why it has drifted; empty when it has not
    """

    name: str
    psi: float
    distribution: Test
    missing: Rate
    unseen: Rate | None
    strangers: tuple[tuple[str, int], ...]
    bins: Binned
    reasons: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether there is a reason to say so."""
        return bool(self.reasons)


def feature_drifts(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    categorical: Collection[str],
    drift_psi: float,
    false_discovery: float,
) -> tuple[FeatureDrift, ...]:
    """Compare each column of `reference` with the one of `current`: what was found, and which have drifted.

    false_discovery   of the features that are said to have drifted, the expected share that has not: Benjamini and Hochberg

    >>> reference = pl.DataFrame({"hours": range(1000), "net": ["DSL", "No"] * 500})
    >>> current = pl.DataFrame({"hours": range(500, 1500), "net": ["DSL", "No"] * 500})
    >>> found = feature_drifts(reference, current, categorical={"net"}, drift_psi=0.1, false_discovery=0.05)
    >>> [(f.name, f.drifted) for f in found]
    [('hours', True), ('net', False)]
    """
    found = [
        measured(name, reference[name], current[name], categorical=name in categorical)
        for name in reference.columns
    ]
    return tuple(_judged(f, drift_psi, false_discovery) for f in adjusted(found))


def measured(
    name: str, reference: pl.Series, current: pl.Series, *, categorical: bool
) -> FeatureDrift:
    """Compare one column, rows that are missing included; what it means is decided over all of them."""
    bins = binned(reference, current, categorical=categorical)
    counted = are_counted(reference, current, categorical=categorical)
    unseen, strangers = (
        _unseen(reference, current)
        if categorical or reference.dtype in (pl.String, pl.Boolean)
        else (None, ())
    )
    return FeatureDrift(
        name=name,
        psi=psi(bins),
        distribution=_chi_square(bins) if counted else _kolmogorov_smirnov(reference, current),
        missing=rate(bins.reference[-1], sum(bins.reference), bins.current[-1], sum(bins.current)),
        unseen=unseen,
        strangers=strangers,
        bins=bins,
    )


def psi(bins: Binned) -> float:
    """The population stability index of the current rows against the reference, in nats, >= 0.

    >>> psi(Binned(names=("a", "b"), reference=(50, 50), current=(5, 5)))
    0.0
    >>> round(psi(Binned(names=("a", "b"), reference=(50, 50), current=(60, 40))), 4)
    0.0405
    """
    p, q = bins.shares
    return float(np.sum((q - p) * np.log(q / p)))


def _kolmogorov_smirnov(reference: pl.Series, current: pl.Series) -> Test:
    """Of numbers, in the asymptotic form: with ties its p is too large, never too small."""
    from scipy import stats

    there, now = present(reference).to_numpy(), present(current).to_numpy()
    if not (len(there) and len(now)):
        return Test(
            method="Kolmogorov-Smirnov D", statistic=0.0, p=1.0
        )  # the missing rate tells it
    found = stats.ks_2samp(there, now, method="asymp")
    return Test(
        method="Kolmogorov-Smirnov D", statistic=float(found.statistic), p=float(found.pvalue)
    )


def _chi_square(bins: Binned) -> Test:
    """Of values that are counted, the missing ones left to their own test."""
    from scipy import stats

    table = _without_rare(np.array([bins.reference[:-1], bins.current[:-1]]))
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return Test(method="chi-square", statistic=0.0, p=1.0)
    found = stats.chi2_contingency(table, correction=False)
    return Test(method="chi-square", statistic=float(found.statistic), p=float(found.pvalue))


def _without_rare(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values of which fewer than EXPECTED rows are expected in the smaller sample, counted as one; empty ones are gone.

    >>> _without_rare(np.array([[90, 3, 2, 0], [90, 1, 4, 0]])).tolist()
    [[90, 5], [90, 5]]
    """
    smaller = table.sum(axis=1).min() / max(table.sum(), 1)
    total = table.sum(axis=0)
    rare = total * smaller < EXPECTED
    together = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    kept: NDArray[np.int64] = together[:, together.sum(axis=0) > 0]
    return kept


def rate(reference: int, of_reference: int, current: int, of_current: int) -> Rate:
    """Two shares and the two-sided z-test that they are one.

    >>> found = rate(10, 100, 30, 100)
    >>> found.reference, found.current, round(found.test.p, 5)
    (0.1, 0.3, 0.00041)
    """
    there, now = reference / max(of_reference, 1), current / max(of_current, 1)
    pooled = (reference + current) / max(of_reference + of_current, 1)
    error = sqrt(pooled * (1 - pooled) * (1 / max(of_reference, 1) + 1 / max(of_current, 1)))
    z = (now - there) / error if error else 0.0
    return Rate(
        reference=there,
        current=now,
        test=Test(method="two proportions z", statistic=z, p=erfc(abs(z) / sqrt(2))),
    )


def _unseen(reference: pl.Series, current: pl.Series) -> tuple[Rate, tuple[tuple[str, int], ...]]:
    """How many rows hold a category that the reference has not.

    A column of many rare categories always brings new ones: as many as the reference has rows that are alone with theirs (Good
    and Turing's estimate). That rate is what it is compared with.
    """
    there, now = present(reference), present(current)
    known = there.value_counts(name="rows")
    strange = (
        now.filter(~now.is_in(there.unique().implode()))
        .value_counts(name="rows")
        .sort(["rows", now.name], descending=[True, False])
    )
    alone = known.filter(pl.col("rows") == 1).height
    strangers = tuple((str(value), int(rows)) for value, rows in strange.head(NAMED).iter_rows())
    return rate(alone, len(reference), int(strange["rows"].sum()), len(current)), strangers


def adjusted(found: Sequence[FeatureDrift]) -> tuple[FeatureDrift, ...]:
    """The same with Benjamini and Hochberg's p over the tests of all of them."""
    from scipy import stats

    tests = [test for f in found for test in _tests(f)]
    if not tests:
        return ()
    values = iter(stats.false_discovery_control([min(test.p, 1.0) for test in tests]).tolist())
    return tuple(_with_adjusted(f, values) for f in found)


def _tests(f: FeatureDrift) -> list[Test]:
    return [f.distribution, f.missing.test, *([f.unseen.test] if f.unseen else [])]


def _with_adjusted(f: FeatureDrift, values: Iterator[float]) -> FeatureDrift:
    """The same with the next of the adjusted p for each of its tests, in the order of `_tests`."""
    distribution, missing = (
        _next(f.distribution, values),
        replace(f.missing, test=_next(f.missing.test, values)),
    )
    unseen = replace(f.unseen, test=_next(f.unseen.test, values)) if f.unseen else None
    return replace(f, distribution=distribution, missing=missing, unseen=unseen)


def _next(test: Test, values: Iterator[float]) -> Test:
    return replace(test, p_adjusted=next(values))


def _judged(f: FeatureDrift, drift_psi: float, false_discovery: float) -> FeatureDrift:
    """The same with the reasons to say that it has drifted."""
    reasons = []
    if f.psi >= drift_psi and f.distribution.p_adjusted <= false_discovery:
        measure = f"{f.distribution.method}={f.distribution.statistic:.4g}, adjusted p {p_in_words(f.distribution.p_adjusted)}"
        reasons.append(f"PSI {f.psi:.3f} is not below {drift_psi:g}; {measure}")
    if f.missing.jumped(false_discovery):
        reasons.append(f"missing {f.missing.reference:.2%} -> {f.missing.current:.2%}")
    if f.unseen and f.unseen.jumped(false_discovery) and f.unseen.current > f.unseen.reference:
        names = ", ".join(f"'{value}' {rows:,}" for value, rows in f.strangers[:3])
        reasons.append(
            f"{f.unseen.current:.2%} of the rows hold a category that the reference has not: {names}"
        )
    return replace(f, reasons=tuple(f"{f.name}: {words}" for words in reasons))


def p_in_words(p: float) -> str:
    """A p as a person reads it.

    >>> p_in_words(0.031), p_in_words(0.0)
    ('0.031', '< 1e-16')
    """
    return f"{p:.2g}" if p >= 1e-16 else "< 1e-16"
