"""Count two samples of a column in the same bins.

Numbers get quantiles of the reference as bins, and a bin for each value that many rows have. A
column with few distinct values gets a bin for each value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Of numbers: the tenths of the reference. A value of more than a tenth of the rows has its own bin.
BINS = 10
# Numbers with up to this many distinct values are counted by value, and so many categories get a
# bin of their own: a convention.
MAX_COUNTED_VALUES = 20
# The smallest share: an empty bin would give log(0).
SMALLEST_SHARE = 1e-4
OTHER_BIN = "other"
MISSING_BIN = "missing"

Numbers = NDArray[np.float64 | np.int64]


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

    @property
    def shares_of_rows(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the same shares as they are; an empty bin has none."""
        return _divide_by_sum(self.reference), _divide_by_sum(self.current)


def _divide_by_sum(counts: tuple[int, ...]) -> tuple[float, ...]:
    rows = max(sum(counts), 1)
    return tuple(count / rows for count in counts)


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


def has_mass_point(reference: pl.Series) -> bool:
    """Decide whether more than a tenth of the rows of a column of numbers has the same value."""
    return len(_cut_at_tenths(drop_missing(reference)).mass_points) > 0


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

    The MAX_COUNTED_VALUES values with the largest shares get a bin each. The remaining values share
    one bin.
    """
    frequent = _frequent_values(reference, current)
    reference_counts = _value_counts(frequent, reference)
    current_counts = _value_counts(frequent, current)
    names = [*map(str, frequent["value"].to_list()), OTHER_BIN]
    if reference_counts[-1] == current_counts[-1] == 0:
        return names[:-1], reference_counts[:-1], current_counts[:-1]
    return names, reference_counts, current_counts


def _frequent_values(reference: pl.Series, current: pl.Series) -> pl.DataFrame:
    """Return the values with the largest shares, ascending, in the column `value`.

    The share in the reference and the share in the current rows are added, so that a large sample
    does not hide what is frequent in a small one.
    """
    reference_rows = reference.rename("value").value_counts(name="rows")
    current_rows = current.rename("value").value_counts(name="rows")
    # The shares, times the rows of both samples: whole numbers have no rounding errors.
    rows = pl.col("rows").cast(pl.Int64)
    weights = pl.concat(
        [
            reference_rows.select("value", weight=rows * max(len(current), 1)),
            current_rows.select("value", weight=rows * max(len(reference), 1)),
        ]
    )
    by_value = weights.group_by("value").agg(pl.col("weight").sum())
    by_weight = by_value.sort(["weight", "value"], descending=[True, False])
    return by_weight.head(MAX_COUNTED_VALUES).select("value").sort("value")


def _value_counts(frequent: pl.DataFrame, sample: pl.Series) -> list[int]:
    """Return the rows of each frequent value in a sample, then the rows of all other values."""
    rows = sample.rename("value").value_counts(name="rows")
    joined = frequent.join(rows, on="value", how="left", maintain_order="left")
    counts = joined["rows"].fill_null(0).to_list()
    return [*counts, len(sample) - sum(counts)]


@dataclass(frozen=True, kw_only=True)
class _Cuts:
    """The places between the bins of a column of numbers.

    Attributes:
        bin_starts: Values that begin a bin, ascending.
        mass_points: Mass points of the reference, ascending. Each ends its bin, and begins one too.
    """

    bin_starts: Numbers
    mass_points: Numbers

    def count(self, sample: pl.Series) -> list[int]:
        """Return the rows of a sample in each bin."""
        values = sample.to_numpy()
        cuts_before = np.searchsorted(self.bin_starts, values, side="right")
        cuts_after = np.searchsorted(self.mass_points, values, side="left")
        bin_count = len(self.bin_starts) + len(self.mass_points) + 1
        counts: list[int] = np.bincount(cuts_before + cuts_after, minlength=bin_count).tolist()
        return counts

    def names(self) -> list[str]:
        """Return the name of each bin."""
        mass_points = set(self.mass_points.tolist())
        names: list[str] = []
        # What the name of the next bin begins with.
        lower = "below"
        for value in self.bin_starts.tolist():
            text = f"{value:.4g}"
            names.append(f"{lower} {text}" if lower == "below" else f"{lower} .. {text}")
            lower = text
            if value in mass_points:
                names.append(text)
                lower = f"above {text}"
        if not names:
            return ["all"]
        return [*names, lower if lower.startswith("above") else f"from {lower}"]


def _count_by_quantile(reference: pl.Series, current: pl.Series) -> Counts:
    """Count the rows between the tenths of the reference.

    The first and the last bin are open. A mass point, which is a value that more than a tenth of
    the reference has, gets a bin of its own: the values beside it are never counted with it.
    """
    cuts = _cut_at_tenths(reference)
    return cuts.names(), cuts.count(reference), cuts.count(current)


def _cut_at_tenths(reference: pl.Series) -> _Cuts:
    """Return the cuts at the tenths of the reference, and on both sides of each mass point."""
    values: Numbers = np.sort(reference.to_numpy())
    rows = len(values)
    if not rows:
        return _Cuts(bin_starts=values, mass_points=values)
    # The k-th tenth is the smallest value that at least k tenths of the rows do not exceed.
    ranks = -(-np.arange(1, BINS) * rows // BINS)
    tenths = np.unique(values[ranks - 1])
    first_row = np.searchsorted(values, tenths, side="left")
    row_after = np.searchsorted(values, tenths, side="right")
    # A value that more than a tenth of the rows has is always one of the tenths.
    is_mass_point = (row_after - first_row) * BINS > rows
    return _Cuts(bin_starts=tenths, mass_points=tenths[is_mass_point])
