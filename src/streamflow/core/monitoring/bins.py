"""Two samples of a column counted in the same bins: quantiles of the reference for numbers, values for what has few."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

BINS = 10  # of numbers: the tenths of the reference
FEW = 20  # distinct values up to which numbers are counted by value, and categories that are counted apart: a convention
FLOOR = 1e-4  # of a share: an empty bin would give log(0)
OTHER, MISSING = "other", "missing"


@dataclass(frozen=True, kw_only=True)
class Binned:
    """Rows per bin of both samples; the last bin is that of missing values."""

    names: tuple[str, ...]
    reference: tuple[int, ...]
    current: tuple[int, ...]

    @property
    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The share of each bin in the reference and in the current rows, at least FLOOR."""
        p, q = (
            np.maximum(np.array(counts) / max(sum(counts), 1), FLOOR)
            for counts in (self.reference, self.current)
        )
        return p, q


def present(values: pl.Series) -> pl.Series:
    """The values that are there, in their order; NaN is none."""
    return (values.fill_nan(None) if values.dtype.is_float() else values).drop_nulls()


def are_counted(reference: pl.Series, current: pl.Series, *, categorical: bool) -> bool:
    """Whether values are counted one by one: categories, and numbers that are few."""
    if categorical or not reference.dtype.is_numeric():
        return True
    return pl.concat([present(reference), present(current)]).n_unique() <= FEW


def binned(reference: pl.Series, current: pl.Series, *, categorical: bool) -> Binned:
    """Count both in the same bins.

    >>> found = binned(pl.Series(["a", "a", None]), pl.Series(["a", "b", "b"]), categorical=True)
    >>> found.names, found.reference, found.current
    (('a', 'b', 'missing'), (2, 0, 1), (1, 2, 0))
    """
    there, now = present(reference), present(current)
    by = _by_value if are_counted(reference, current, categorical=categorical) else _by_quantile
    names, of_reference, of_current = by(there, now)
    return Binned(
        names=(*names, MISSING),
        reference=(*of_reference, len(reference) - len(there)),
        current=(*of_current, len(current) - len(now)),
    )


Counts = tuple[list[str], list[int], list[int]]


def _by_value(there: pl.Series, now: pl.Series) -> Counts:
    """The FEW values that are most frequent in both together, so that neither is favoured; the rest is one bin."""
    value, both = "value", pl.concat([there.rename("value"), now.rename("value")])
    most = (
        both.value_counts(name="rows")
        .sort(["rows", value], descending=[True, False])
        .head(FEW)
        .select(value)
        .sort(value)
    )
    counts = []
    for sample in (there, now):
        rows = sample.rename(value).value_counts(name="rows")
        of_most = (
            most.join(rows, on=value, how="left", maintain_order="left")["rows"]
            .fill_null(0)
            .to_list()
        )
        counts.append([*of_most, len(sample) - sum(of_most)])
    names = [*map(str, most[value].to_list()), OTHER]
    if counts[0][-1] == counts[1][-1] == 0:
        names, counts = names[:-1], [c[:-1] for c in counts]
    return names, counts[0], counts[1]


def _by_quantile(there: pl.Series, now: pl.Series) -> Counts:
    """The outer bins are open; values that lie on many tenths make fewer bins."""
    inner = np.arange(1, BINS) / BINS
    edges = (
        np.unique(np.quantile(there.to_numpy(), inner, method="inverted_cdf"))
        if len(there)
        else np.empty(0)
    )
    counts = [
        np.bincount(
            np.searchsorted(edges, x.to_numpy(), side="right"), minlength=len(edges) + 1
        ).tolist()
        for x in (there, now)
    ]
    between = [f"{low:.4g} .. {high:.4g}" for low, high in pairwise(edges)]
    names = [f"below {edges[0]:.4g}", *between, f"from {edges[-1]:.4g}"] if len(edges) else ["all"]
    return names, counts[0], counts[1]
