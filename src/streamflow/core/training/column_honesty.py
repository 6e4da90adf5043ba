"""Honesty of single columns: a column that never changes, or that nearly decides the label alone.

A feature that decides the label usually holds what became known only after the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.honesty import HonestyFinding, Labels

# From this AUC on, one column decides the label. It is our convention: the best column of the real
# drops has 0.74.
DECIDING_AUC = 0.95
# Rows of each class. With fewer rows no check is made: with 20 rows of each class, a column of
# noise reaches 0.95 once in a million.
MIN_PER_CLASS = 20
# Share of the rarer class among the rows with a value (or without one). From this share on, the
# presence of a value tells the label.
PURE_SHARE = 0.98
# Groups of a number: it may also decide the label by a middle range, or by one value.
MAX_GROUPS = 32
# The multiplier of Knuth's multiplicative hash.
HASH_MULTIPLIER = 2654435761


def find_constant_columns(matrix: pl.DataFrame) -> list[HonestyFinding]:
    """Find the columns that have the same value in every row, or no value at all.

    >>> matrix = pl.DataFrame({"fee": [1.0, 2.0], "mins": [29.1, 29.1], "plan": [None, None]})
    >>> print(*find_constant_columns(matrix))
    note: the same in every row: mins, plan
    """
    names = [column.name for column in matrix if column.n_unique() <= 1]
    if not names:
        return []
    subject = ", ".join(names)
    sentence = f"the same in every row: {subject}"
    return [HonestyFinding(check="constant", severity="note", subject=subject, words=sentence)]


def find_deciding_columns(matrix: pl.DataFrame, label: Labels) -> Iterator[HonestyFinding]:
    """Find the columns that nearly decide the label, by their value or by having a value.

    Args:
        matrix: The features, (n, features).
        label: What happened, (n,).

    >>> label = np.arange(100) % 4 == 0
    >>> status = np.where(label, 3, np.arange(100) % 2 * 5)
    >>> frame = pl.DataFrame({"noise": np.arange(100) % 7, "status": status})
    >>> for finding in find_deciding_columns(frame, label): print(finding)
    severe: status alone nearly decides the label: AUC 1.0000
    """
    if not has_enough_of_each_class(label):
        positives = int(label.sum())
        verb = choose_form(positives, "is", "are")
        sentence = (
            f"{positives:,} of {count_of(len(label), 'row')}"
            f" {verb} positive:"
            " too few of a class to see what decides the label"
        )
        yield HonestyFinding(check="single-feature", severity="note", words=sentence)
        return
    for column in matrix:
        is_empty = column.is_null().to_numpy()
        if _presence_decides(is_empty, label):
            yield _presence_finding(column.name, is_empty, label)
            continue
        column_auc = measure_separation(column, label)
        if column_auc >= DECIDING_AUC:
            yield HonestyFinding(
                check="single-feature",
                severity="severe",
                subject=column.name,
                words=f"{column.name} alone nearly decides the label: AUC {column_auc:.4f}",
                numbers={"auc": round(column_auc, 4)},
            )


def has_enough_of_each_class(label: Labels) -> bool:
    """Decide whether there are enough rows of each class to rank them.

    >>> has_enough_of_each_class(np.arange(100) < 20), has_enough_of_each_class(np.arange(100) < 19)
    (True, False)
    """
    positives = label.sum()
    negatives = (~label).sum()
    return bool(min(positives, negatives) >= MIN_PER_CLASS)


def _presence_decides(is_empty: Labels, label: Labels) -> bool:
    """Decide whether having a value tells the label, for all rows of a class or for a part."""
    empty_share_of_positives = is_empty[label].mean()
    empty_share_of_negatives = is_empty[~label].mean()
    difference = abs(empty_share_of_positives - empty_share_of_negatives)
    if difference / 2 + 0.5 >= DECIDING_AUC:
        return True
    rare_class = label if label.mean() <= 0.5 else ~label
    for group in (is_empty, ~is_empty):
        is_large = group.sum() >= MIN_PER_CLASS
        if is_large and rare_class[group].mean() >= PURE_SHARE:
            return True
    return False


def _presence_finding(name: str, is_empty: Labels, label: Labels) -> HonestyFinding:
    classes = {"positives": label, "negatives": ~label}
    numbers = {title: float(rows.sum()) for title, rows in classes.items()}
    counts = []
    for title, rows in classes.items():
        has_value = rows & ~is_empty
        with_value = float(has_value.sum())
        numbers[f"{title}_with_value"] = with_value
        counts.append(f"{with_value:,.0f} of {numbers[title]:,.0f} {title}")
    return HonestyFinding(
        check="missingness",
        severity="severe",
        subject=name,
        words=f"that {name} has a value nearly decides the label: {' and '.join(counts)} have one",
        numbers=numbers,
    )


def measure_separation(column: pl.Series, label: Labels) -> float:
    """Measure how well a column alone ranks the label, as an AUC of at least 0.5.

    It takes the better of two rankings: by the order of the values, and by the rate of positives
    in each group of values. A null is a group of its own. The rates are learned on one half of the
    rows and applied to the other half, so that many small groups decide nothing by chance.

    >>> label = np.arange(200) % 5 == 0
    >>> measure_separation(pl.Series("key", [f"user {i}" for i in range(200)]), label)
    0.5
    """
    rates = cross_rates(group_rows(column), label)
    rate_auc = auc(label, rates)
    has_value = column.is_not_null().to_numpy()
    label_of_values = label[has_value]
    has_order = column.dtype.is_numeric() or column.dtype == pl.Boolean
    if not has_order or not has_enough_of_each_class(label_of_values):
        return rate_auc
    filled = column.filter(pl.Series(has_value))
    values = filled.cast(pl.Float64)
    order_auc = auc(label_of_values, values.to_numpy())
    return max(rate_auc, order_auc, 1 - order_auc)


def group_rows(column: pl.Series, *, quantiles: int = MAX_GROUPS) -> NDArray[np.int64]:
    """Return the number of each row's group, (n,).

    Group 0 is null. The other groups are the values, or so many quantiles of a number that has
    more distinct values than that.
    """
    values = column.cast(pl.Int8) if column.dtype == pl.Boolean else column
    groups = values.rank("dense")
    if column.dtype.is_numeric() and column.n_unique() > quantiles:
        position = values.rank("min") - 1
        groups = position * quantiles // values.count() + 1
    numbers = groups.fill_null(0).cast(pl.Int64)
    return numbers.to_numpy()


def cross_rates(group: NDArray[np.int64], label: Labels) -> NDArray[np.float64]:
    """Return for each row the rate of positives of its group in the other half of the rows, (n,).

    Each rate is pulled towards the rate of all rows by the weight of one row.
    """
    first_half = is_first_half(len(label))
    group_count = int(group.max()) + 1
    rates = np.empty(len(label))
    for half in (first_half, ~first_half):
        learned_groups = group[~half]
        learned_labels = label[~half]
        rows = np.bincount(learned_groups, minlength=group_count)
        positives = np.bincount(learned_groups, learned_labels, group_count)
        group_rates = (positives + label.mean()) / (rows + 1)
        rates[half] = group_rates[group[half]]
    return rates


def is_first_half(rows: int) -> NDArray[np.bool_]:
    """Decide for each row whether it is in the first of two halves, (n,): a hash of its number."""
    number = np.arange(rows, dtype=np.uint64)
    hashed = number * np.uint64(HASH_MULTIPLIER) >> np.uint64(20)
    return np.asarray(hashed % np.uint64(2) == 1)
