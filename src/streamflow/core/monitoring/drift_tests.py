"""Statistical tests of drift: each compares two samples of a column."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.monitoring.bins import BinCounts, drop_missing

# A rate that moved by less than this is not an event, however certain the move is: our convention.
SMALLEST_MOVE = 0.01
# Rows that the chi-square test needs to expect in each cell (Cochran 1954). Rarer values are
# counted together.
MIN_EXPECTED_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """The result of a test of one hypothesis.

    Attributes:
        p_adjusted: The p-value after the method of Benjamini and Hochberg, over all tests of the
            report.
    """

    __test__ = False  # pytest must not collect this class.

    method: str
    statistic: float
    p: float
    p_adjusted: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The share of rows with a property, in the reference and in the current rows."""

    reference: float
    current: float
    test: TestResult

    def jumped(self, false_discovery: float) -> bool:
        """Decide whether the rate moved by more than SMALLEST_MOVE, and the test is significant."""
        is_significant = self.test.p_adjusted <= false_discovery
        return is_significant and abs(self.current - self.reference) > SMALLEST_MOVE


def psi(bins: BinCounts) -> float:
    """Compute the population stability index of the current rows, in nats, >= 0.

    >>> psi(BinCounts(names=("a", "b"), reference=(50, 50), current=(5, 5)))
    0.0
    >>> round(psi(BinCounts(names=("a", "b"), reference=(50, 50), current=(60, 40))), 4)
    0.0405
    """
    reference_share, current_share = bins.shares
    terms = (current_share - reference_share) * np.log(current_share / reference_share)
    return float(np.sum(terms))


def kolmogorov_smirnov(reference: pl.Series, current: pl.Series) -> TestResult:
    """Test whether two samples of numbers have the same distribution.

    It uses the asymptotic form. With ties its p is too large, never too small.
    """
    from scipy import stats

    method = "Kolmogorov-Smirnov D"
    reference_values = drop_missing(reference).to_numpy()
    current_values = drop_missing(current).to_numpy()
    if not (len(reference_values) and len(current_values)):
        # The test of the missing rate reports this case.
        return TestResult(method=method, statistic=0.0, p=1.0)
    result = stats.ks_2samp(reference_values, current_values, method="asymp")
    return TestResult(method=method, statistic=float(result.statistic), p=float(result.pvalue))


def chi_square(bins: BinCounts) -> TestResult:
    """Test whether two samples of counted values have the same distribution.

    Missing values are left out, because they have a test of their own.
    """
    from scipy import stats

    method = "chi-square"
    counts = np.array([bins.reference[:-1], bins.current[:-1]])
    table = _merge_rare_values(counts)
    has_rows_in_both = table.sum(axis=1).all()
    if table.shape[1] < 2 or not has_rows_in_both:
        return TestResult(method=method, statistic=0.0, p=1.0)
    result = stats.chi2_contingency(table, correction=False)
    return TestResult(method=method, statistic=float(result.statistic), p=float(result.pvalue))


def _merge_rare_values(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count rare values as one value, and leave out values without rows.

    A value is rare when fewer than MIN_EXPECTED_ROWS rows are expected in the smaller sample.

    >>> _merge_rare_values(np.array([[90, 3, 2, 0], [90, 1, 4, 0]])).tolist()
    [[90, 5], [90, 5]]
    """
    smaller_sample = table.sum(axis=1).min()
    smaller_share = smaller_sample / max(table.sum(), 1)
    rows_by_value = table.sum(axis=0)
    is_rare = rows_by_value * smaller_share < MIN_EXPECTED_ROWS
    rare_rows = table[:, is_rare].sum(axis=1)
    merged = np.column_stack([table[:, ~is_rare], rare_rows])
    has_rows = merged.sum(axis=0) > 0
    non_empty: NDArray[np.int64] = merged[:, has_rows]
    return non_empty


def compare_rates(reference: int, reference_rows: int, current: int, current_rows: int) -> Rate:
    """Compare two shares with the two-sided z-test that they are equal.

    Args:
        reference: Rows of the reference that have the property.
        reference_rows: All rows of the reference.
        current: Current rows that have the property.
        current_rows: All current rows.

    >>> shares = compare_rates(10, 100, 30, 100)
    >>> shares.reference, shares.current, round(shares.test.p, 5)
    (0.1, 0.3, 0.00041)
    """
    all_rows = max(reference_rows + current_rows, 1)
    reference_rows = max(reference_rows, 1)
    current_rows = max(current_rows, 1)
    reference_share = reference / reference_rows
    current_share = current / current_rows
    pooled_share = (reference + current) / all_rows
    inverse_rows = 1 / reference_rows + 1 / current_rows
    variance = pooled_share * (1 - pooled_share) * inverse_rows
    error = sqrt(variance)
    z = (current_share - reference_share) / error if error else 0.0
    p = erfc(abs(z) / sqrt(2))
    test = TestResult(method="two proportions z", statistic=z, p=p)
    return Rate(reference=reference_share, current=current_share, test=test)
