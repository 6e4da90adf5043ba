"""Ranges of a number in which all rows are of one class, beside rows that are mixed.

In honest data the share of positives changes little by little along a number. A range without any
row of a class, right beside rows of which many are of this class, looks like a rule: the number was
made from the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import exp, lgamma

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of
from streamflow.core.training.honesty import HonestyFinding, Labels

# Rows of a range. With fewer rows nothing is said.
MIN_ROWS = 20
# Rows on each side of the end of a range that are compared. More of them would compare rows that
# are far from each other.
WINDOW = 60
# A finding needs a smaller p-value of Fisher's exact test at the end of a range: the number of
# ranges that are looked at is large.
MAX_P_VALUE = 1e-9

Counts = NDArray[np.int64]


def find_pure_ranges(column: pl.Series, label: Labels) -> Iterator[HonestyFinding]:
    """Find the ranges of a number whose rows are all of one class, with a hard end.

    Args:
        column: The number, (n,). Rows without a value are left out.
        label: What happened, (n,).

    >>> score = np.arange(400)
    >>> label = (score >= 300) | ((score >= 200) & (score % 2 == 1))
    >>> for finding in find_pure_ranges(pl.Series("score", score), label): print(finding)
    warning: score has ranges of one class with a hard end: all 201 rows from 0 to 200 are \
negative; all 101 rows from 299 to 399 are positive
    """
    has_value = column.is_not_null().to_numpy()
    filled = column.filter(pl.Series(has_value))
    numbers = filled.cast(pl.Float64).fill_nan(None)
    values, index = np.unique(numbers.to_numpy(), return_inverse=True)
    value_count = len(values)
    row_sums = np.bincount(index, minlength=value_count)
    positive_sums = np.bincount(index, label[has_value], value_count)
    rows = row_sums.astype(np.int64)
    positives = positive_sums.astype(np.int64)
    sentences = []
    for begin, end in _iterate_runs(rows, positives):
        count = int(rows[begin:end].sum())
        if count < MIN_ROWS or not _has_hard_end(rows, positives, begin, end):
            continue
        class_name = "positive" if positives[begin] else "negative"
        first_value = values[begin]
        last_value = values[end - 1]
        limits = f"from {first_value:g} to {last_value:g}"
        sentences.append(f"all {count_of(count, 'row')} {limits} are {class_name}")
    if sentences:
        yield HonestyFinding(
            check="pure-range",
            severity="warning",
            subject=column.name,
            words=f"{column.name} has ranges of one class with a hard end: {'; '.join(sentences)}",
            numbers={"ranges": len(sentences)},
        )


def _iterate_runs(rows: Counts, positives: Counts) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each run of values whose rows are all of the same class."""
    # 0: all rows are negative; 2: all are positive; 1: both classes.
    state = (positives > 0).astype(int) + (positives == rows)
    if not len(state):
        return  # no row has a value
    changes = np.flatnonzero(np.diff(state)) + 1
    for begin, end in pairwise([0, *changes.tolist(), len(state)]):
        if state[begin] != 1:
            yield begin, end


def _has_hard_end(rows: Counts, positives: Counts, begin: int, end: int) -> bool:
    """Decide whether the rows beside a run are mixed to a degree that chance does not explain."""
    is_positive = positives[begin] > 0
    rare = rows - positives if is_positive else positives
    rows_before = range(begin - 1, -1, -1)
    rows_after = range(end, len(rows))
    for inside, outside in (
        (range(end - 1, begin - 1, -1), rows_after),
        (range(begin, end), rows_before),
    ):
        inside_rows, _ = _take_window(inside, rows, rare)
        # The value right beside the run ends it because it has a row of the rare class: this row
        # is no evidence.
        outside_rows, outside_rare = _take_window(outside, rows, rare)
        if outside_rows < MIN_ROWS or inside_rows < MIN_ROWS or outside_rare < 2:
            continue
        total = inside_rows + outside_rows - 1
        p_value = _chance_of_none(inside_rows, total, outside_rare - 1)
        if p_value < MAX_P_VALUE:
            return True
    return False


def _chance_of_none(drawn: int, total: int, rare: int) -> float:
    """Return the chance that none of `drawn` rows is rare, drawn from `total` with `rare` of them.

    This is the p-value of Fisher's exact test.

    >>> round(_chance_of_none(2, 4, 1), 4)
    0.5
    """
    if drawn + rare > total:
        return 0.0
    logarithm = lgamma(total - rare + 1) - lgamma(total - rare - drawn + 1)
    logarithm += lgamma(total - drawn + 1) - lgamma(total + 1)
    return exp(logarithm)


def _take_window(numbers: range, rows: Counts, rare: Counts) -> tuple[int, int]:
    """Count rows, and rows of the rare class, of the nearest values with WINDOW rows or more."""
    count = 0
    rare_count = 0
    for number in numbers:
        if count >= WINDOW:
            break
        count += int(rows[number])
        rare_count += int(rare[number])
    return count, rare_count
