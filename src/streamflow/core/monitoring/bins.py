"""Count two samples of a column in the same bins.

Numbers get quantiles of the reference as bins. A column with few distinct values gets a bin for
each value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Of numbers: the tenths of the reference.
BINS = 10
# Numbers with up to this many distinct values are counted by value, and so many categories get a
# bin of their own: a convention.
MAX_COUNTED_VALUES = 20
# The smallest share: an empty bin would give log(0).
SMALLEST_SHARE = 1e-4
OTHER_BIN = "other"
MISSING_BIN = "missing"

Edges = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BinCounts:
    """The number of rows in each bin, for both samples. The last bin holds missing values."""

    names: tuple[str, ...]
    reference: tuple[int, ...]
    current: tuple[int, ...]

    @property
    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the share of each bin in the reference and in the current rows.

        A share is at least SMALLEST_SHARE.
        """
        return _shares(self.reference), _shares(self.current)


def _shares(counts: tuple[int, ...]) -> NDArray[np.float64]:
    rows = max(sum(counts), 1)
    shares = np.array(counts) / rows
    at_least: NDArray[np.float64] = np.maximum(shares, SMALLEST_SHARE)
    return at_least


def drop_missing(values: pl.Series) -> pl.Series:
    """Return the values that are not missing, in their order; NaN is missing."""
    without_nan = values.fill_nan(None) if values.dtype.is_float() else values
    return without_nan.drop_nulls()


def is_counted_by_value(reference: pl.Series, current: pl.Series, *, categorical: bool) -> bool:
    """Decide whether each value gets a bin: for categories, and for numbers with few values."""
    if categorical or not reference.dtype.is_numeric():
        return True
    values = pl.concat([drop_missing(reference), drop_missing(current)])
    return values.n_unique() <= MAX_COUNTED_VALUES


def count_in_bins(reference: pl.Series, current: pl.Series, *, categorical: bool) -> BinCounts:
    """Count both samples of a column in the same bins.

    >>> reference, current = pl.Series(["a", "a", None]), pl.Series(["a", "b", "b"])
    >>> bins = count_in_bins(reference, current, categorical=True)
    >>> bins.names, bins.reference, bins.current
    (('a', 'b', 'missing'), (2, 0, 1), (1, 2, 0))
    """
    by_value = is_counted_by_value(reference, current, categorical=categorical)
    count = _count_by_value if by_value else _count_by_quantile
    reference_values = drop_missing(reference)
    current_values = drop_missing(current)
    names, reference_counts, current_counts = count(reference_values, current_values)
    reference_missing = len(reference) - len(reference_values)
    current_missing = len(current) - len(current_values)
    return BinCounts(
        names=(*names, MISSING_BIN),
        reference=(*reference_counts, reference_missing),
        current=(*current_counts, current_missing),
    )


# The names of the bins, the counts of the reference, the counts of the current rows.
Counts = tuple[list[str], list[int], list[int]]


def _count_by_value(reference: pl.Series, current: pl.Series) -> Counts:
    """Count the rows of each frequent value.

    The MAX_COUNTED_VALUES most frequent values of both samples together get a bin each, so that
    neither sample is favoured. The remaining values share one bin.
    """
    all_values = pl.concat([reference.rename("value"), current.rename("value")])
    value_counts = all_values.value_counts(name="rows")
    by_frequency = value_counts.sort(["rows", "value"], descending=[True, False])
    frequent = by_frequency.head(MAX_COUNTED_VALUES).select("value").sort("value")
    reference_counts = _value_counts(frequent, reference)
    current_counts = _value_counts(frequent, current)
    names = [*map(str, frequent["value"].to_list()), OTHER_BIN]
    if reference_counts[-1] == current_counts[-1] == 0:
        return names[:-1], reference_counts[:-1], current_counts[:-1]
    return names, reference_counts, current_counts


def _value_counts(frequent: pl.DataFrame, sample: pl.Series) -> list[int]:
    """Return the rows of each frequent value in a sample, then the rows of all other values."""
    rows = sample.rename("value").value_counts(name="rows")
    joined = frequent.join(rows, on="value", how="left", maintain_order="left")
    counts = joined["rows"].fill_null(0).to_list()
    return [*counts, len(sample) - sum(counts)]


def _count_by_quantile(reference: pl.Series, current: pl.Series) -> Counts:
    """Count the rows between the tenths of the reference.

    The first and the last bin are open. Where several tenths are the same value, there are fewer
    bins.
    """
    edges: Edges = np.empty(0)
    if len(reference):
        tenths = np.arange(1, BINS) / BINS
        quantiles = np.quantile(reference.to_numpy(), tenths, method="inverted_cdf")
        edges = np.unique(quantiles)
    names = _quantile_names(edges)
    return (
        names,
        _quantile_counts(edges, reference),
        _quantile_counts(edges, current),
    )


def _quantile_counts(edges: Edges, sample: pl.Series) -> list[int]:
    bin_numbers = np.searchsorted(edges, sample.to_numpy(), side="right")
    bin_count = len(edges) + 1
    counts: list[int] = np.bincount(bin_numbers, minlength=bin_count).tolist()
    return counts


def _quantile_names(edges: Edges) -> list[str]:
    if not len(edges):
        return ["all"]
    inner_names = [f"{low:.4g} .. {high:.4g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:.4g}", *inner_names, f"from {edges[-1]:.4g}"]
