"""Sets of two or three columns that together nearly decide the label, while none does alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.training.column_honesty import DECIDING_AUC, group_rows, is_first_half
from streamflow.core.training.honesty import HonestyFinding, Labels

# Groups of a column in a set: the cells of a pair and of a triple are about equally many.
GROUPS = {2: 24, 3: 8}
# With up to so many columns every triple is looked at: 2,024 of them, in about a second. With more
# columns, each of the best pairs is completed by every other column.
ALL_TRIPLES = 24
EXTENDED_PAIRS = 40
# A set must leave at most this share of the errors of its best part: an error is the distance of
# the AUC to 1.
ERROR_SHARE = 0.5
# Sets that are named: a leak makes many sets with a column that has nothing to do with it.
MAX_NAMED = 3

Groups = NDArray[np.int64]
AucOfSet = dict[tuple[str, ...], float]


def find_deciding_sets(
    columns: pl.DataFrame,
    label: Labels,
    separation: Mapping[str, float],
) -> Iterator[HonestyFinding]:
    """Find pairs and triples of columns whose groups together nearly decide the label.

    Args:
        columns: The features that do not decide alone, (n, features).
        label: What happened, (n,).
        separation: The AUC of each column alone.

    >>> number = np.arange(1200)
    >>> frame = pl.DataFrame({"a": number % 2, "b": number // 2 % 2, "c": number // 4 % 5})
    >>> label = frame["a"].to_numpy() != frame["b"].to_numpy()
    >>> alone = {"a": 0.5, "b": 0.5, "c": 0.5}
    >>> print(*find_deciding_sets(frame, label, alone))
    warning: a and b together nearly decide the label: AUC 1.0000, none of them alone
    """
    names = columns.columns
    pairs = _measure_sets(combinations(names, 2), columns, label)
    auc_of_part: AucOfSet = {}
    for name in names:
        auc_of_part[name,] = separation[name]
    deciding = _choose_deciding(pairs, auc_of_part)
    # A triple that contains a deciding pair says nothing new.
    used_names = set().union(*deciding)
    remaining = [name for name in names if name not in used_names]
    triples = _measure_sets(_list_triples(remaining, pairs), columns, label)
    deciding |= _choose_deciding(triples, auc_of_part | pairs)
    strongest = sorted(deciding, key=lambda names: (-deciding[names], names))
    for subject in strongest[:MAX_NAMED]:
        yield _describe_set(subject, deciding[subject])


def _describe_set(names: tuple[str, ...], value: float) -> HonestyFinding:
    """Return the finding that columns with this AUC decide the label together."""
    *first_names, last_name = names
    return HonestyFinding(
        check="deciding-set",
        severity="warning",
        subject=", ".join(names),
        words=f"{', '.join(first_names)} and {last_name} together nearly decide the label:"
        f" AUC {value:.4f}, none of them alone",
        numbers={"auc": round(value, 4)},
    )


def _list_triples(names: list[str], pairs: AucOfSet) -> Iterator[tuple[str, ...]]:
    """Yield the triples to look at, each once, with the names in their order."""
    if len(names) <= ALL_TRIPLES:
        yield from combinations(names, 3)
        return
    allowed_pairs = [pair for pair in pairs if set(pair) <= set(names)]
    best = sorted(allowed_pairs, key=lambda pair: (-pairs[pair], pair))[:EXTENDED_PAIRS]
    triples = set()
    for pair in best:
        for name in names:
            if name not in pair:
                triple = sorted([*pair, name], key=names.index)
                triples.add(tuple(triple))
    yield from sorted(triples)


def _measure_sets(
    sets: Iterator[tuple[str, ...]],
    columns: pl.DataFrame,
    label: Labels,
) -> AucOfSet:
    """Measure how well the cells of each set rank the label, as an AUC.

    Two numbers are measured by their difference too; the better one counts.
    """
    groups: dict[tuple[str, int], Groups] = {}
    numbers = _list_numbers(columns)
    rows = len(label)
    outcome = 2 * is_first_half(rows) + label
    measured = {}
    for names in sets:
        size = GROUPS[len(names)]
        cell = np.zeros(rows, dtype=np.int64)
        for name in names:
            if (name, size) not in groups:
                groups[name, size] = _group_few(columns[name], size)
            group = groups[name, size]
            group_count = group.max() + 1
            cell = cell * group_count + group
        value = measure_cells(cell, outcome)
        if len(names) == 2 and numbers.keys() >= set(names):
            # Two dates of nearly the same day decide by their difference, which cells are too
            # coarse to see.
            first, second = names
            difference = numbers[first] - numbers[second]
            difference_value = measure_cells(_group_numbers(difference), outcome)
            value = max(value, difference_value)
        measured[names] = value
    return measured


def _list_numbers(columns: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the columns that are numbers, by name."""
    numbers = {}
    for column in columns:
        if column.dtype.is_numeric():
            floats = column.cast(pl.Float64)
            numbers[column.name] = floats.to_numpy()
    return numbers


def _group_numbers(numbers: NDArray[np.float64]) -> Groups:
    """Return the number of each row's group, (n,): 0 for NaN, else its quantile."""
    has_value = ~np.isnan(numbers)
    groups = np.zeros(len(numbers), dtype=np.int64)
    values = numbers[has_value]
    if len(values):
        levels = np.linspace(0, 1, GROUPS[2] + 1)
        edges = np.quantile(values, levels[1:])
        distinct_edges = np.unique(edges)
        groups[has_value] = np.searchsorted(distinct_edges, values) + 1
    return groups


def measure_cells(cell: Groups, outcome: Groups) -> float:
    """Return the AUC of the rates of cells, where each half of the rows has those of the other one.

    It is the AUC of `cross_rates`, computed over cells in place of rows, because there are many
    sets.

    Args:
        cell: The number of each row's cell, (n,).
        outcome: 2 for a row of the first half, and 1 more for a positive row, (n,).
    """
    cells = int(cell.max()) + 1
    flat_counts = np.bincount(cell * 4 + outcome, minlength=4 * cells)
    counts = flat_counts.reshape(cells, 2, 2)  # (cells, halves, classes)
    negative_counts = counts[:, :, 0]
    positive_counts = counts[:, :, 1]
    base_rate = positive_counts.sum() / len(cell)
    # The rate of a cell in one half is learned on the other half.
    learned_positives = positive_counts[:, ::-1]
    learned_rows = learned_positives + negative_counts[:, ::-1]
    rates = (learned_positives + base_rate) / (learned_rows + 1)
    flat_rates = rates.ravel()
    order = np.argsort(flat_rates, kind="stable")
    rising = flat_rates[order]
    steps = np.flatnonzero(np.diff(rising))
    # The first position of each group of equal rates.
    starts = np.r_[0, steps + 1]
    ordered_positives = positive_counts.ravel()[order]
    ordered_negatives = negative_counts.ravel()[order]
    positives = np.add.reduceat(ordered_positives, starts)
    negatives = np.add.reduceat(ordered_negatives, starts)
    beaten = np.cumsum(negatives) - negatives / 2
    won_pairs = (positives * beaten).sum()
    pairs = positives.sum() * negatives.sum()
    return float(won_pairs / pairs)


def _group_few(column: pl.Series, size: int) -> Groups:
    """Return the number of each row's group, (n,): 0 for null, and at most `size` more.

    Of a category with more values, all but the most frequent ones share a group.
    """
    groups = group_rows(column, quantiles=size)
    counts = np.bincount(groups)
    if len(counts) <= size + 1:
        return groups
    frequent = np.argsort(-counts[1:], kind="stable")[: size - 1] + 1
    number = np.full(len(counts), size, dtype=np.int64)
    number[0] = 0
    number[frequent] = np.arange(1, size)
    return number[groups]


def _choose_deciding(measured: AucOfSet, auc_of_part: AucOfSet) -> AucOfSet:
    """Return the sets that decide, and that are far better than each of their parts."""
    deciding = {}
    for names, value in measured.items():
        if value < DECIDING_AUC:
            continue
        allowed_error = ERROR_SHARE * (1 - _find_best_part(names, auc_of_part))
        if 1 - value <= allowed_error:
            deciding[names] = value
    return deciding


def _find_best_part(names: tuple[str, ...], auc_of_part: AucOfSet) -> float:
    """Return the highest AUC of a set of columns that is a part of this set."""
    whole_set = set(names)
    values = []
    for part_names, value in auc_of_part.items():
        if set(part_names) < whole_set:
            values.append(value)
    return max(values)
