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
# columns, each of the best pairs is completed by every different column.
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
    columns: pl.DataFrame, label: Labels, separation: Mapping[str, float]
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
    deciding = _choose_deciding(pairs, {(name,): separation[name] for name in names})
    # A triple that contains a deciding pair says nothing new.
    remaining = [name for name in names if not any(name in pair for pair in deciding)]
    triples = _measure_sets(_list_triples(remaining, pairs), columns, label)
    auc_of_part = {(name,): separation[name] for name in names} | pairs
    deciding |= _choose_deciding(triples, auc_of_part)
    strongest = sorted(deciding, key=lambda names: (-deciding[names], names))
    for subject in strongest[:MAX_NAMED]:
        *first_names, last_name = subject
        yield HonestyFinding(
            check="deciding-set",
            severity="warning",
            subject=", ".join(subject),
            words=f"{', '.join(first_names)} and {last_name} together nearly decide the label:"
            f" AUC {deciding[subject]:.4f}, none of them alone",
            numbers={"auc": round(deciding[subject], 4)},
        )


def _list_triples(names: list[str], pairs: AucOfSet) -> Iterator[tuple[str, ...]]:
    """Yield the triples to look at, each once, with the names in their order."""
    if len(names) <= ALL_TRIPLES:
        yield from combinations(names, 3)
        return
    allowed_pairs = [pair for pair in pairs if set(pair) <= set(names)]
    best = sorted(allowed_pairs, key=lambda pair: (-pairs[pair], pair))[:EXTENDED_PAIRS]
    position = {name: number for number, name in enumerate(names)}
    triples = {
        tuple(sorted({*pair, name}, key=position.__getitem__))
        for pair in best
        for name in names
        if name not in pair
    }
    yield from sorted(triples)


def _measure_sets(
    sets: Iterator[tuple[str, ...]], columns: pl.DataFrame, label: Labels
) -> AucOfSet:
    """Measure how well the cells of each set rank the label, as an AUC.

    Two numbers are measured by their difference too; the better one counts.
    """
    groups: dict[tuple[str, int], Groups] = {}
    numbers = {
        column.name: column.cast(pl.Float64).to_numpy()
        for column in columns
        if column.dtype.is_numeric()
    }
    outcome = 2 * is_first_half(len(label)) + label
    measured = {}
    for names in sets:
        size = GROUPS[len(names)]
        cell = np.zeros(len(label), dtype=np.int64)
        for name in names:
            if (name, size) not in groups:
                groups[name, size] = _group_few(columns[name], size)
            group = groups[name, size]
            cell = cell * (group.max() + 1) + group
        value = measure_cells(cell, outcome)
        if len(names) == 2 and all(name in numbers for name in names):
            # Two dates of nearly the same day decide by their difference, which cells are too
            # coarse to see.
            difference = _group_numbers(numbers[names[0]] - numbers[names[1]])
            value = max(value, measure_cells(difference, outcome))
        measured[names] = value
    return measured


def _group_numbers(numbers: NDArray[np.float64]) -> Groups:
    """Return the number of each row's group, (n,): 0 for NaN, else its quantile."""
    has_value = ~np.isnan(numbers)
    groups = np.zeros(len(numbers), dtype=np.int64)
    values = numbers[has_value]
    if len(values):
        edges = np.quantile(values, np.linspace(0, 1, GROUPS[2] + 1)[1:])
        groups[has_value] = np.searchsorted(np.unique(edges), values) + 1
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
    # (cells, halves, classes)
    counts = np.bincount(cell * 4 + outcome, minlength=4 * cells).reshape(cells, 2, 2)
    base_rate = counts[:, :, 1].sum() / len(cell)
    learned = counts[:, ::-1]
    rates = (learned[:, :, 1] + base_rate) / (learned.sum(axis=2) + 1)
    order = np.argsort(rates.ravel(), kind="stable")
    rising = rates.ravel()[order]
    starts = np.r_[0, np.flatnonzero(np.diff(rising)) + 1]
    positives = np.add.reduceat(counts[:, :, 1].ravel()[order], starts)
    negatives = np.add.reduceat(counts[:, :, 0].ravel()[order], starts)
    beaten = np.cumsum(negatives) - negatives / 2
    return float((positives * beaten).sum() / (positives.sum() * negatives.sum()))


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
        best_part = max(
            part_auc for subset, part_auc in auc_of_part.items() if set(subset) < set(names)
        )
        if 1 - value <= ERROR_SHARE * (1 - best_part):
            deciding[names] = value
    return deciding
