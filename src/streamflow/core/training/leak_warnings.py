"""Warnings of a leak: columns that look as if they were known only after the outcome.

None of them proves a leak. A person has to ask when the value of the column becomes known.

- `dominant-feature`: one column ranks the label far better than all other columns together.
- `pure-range`: a range of a number in which all rows are of one class, beside rows that are mixed.
- `outcome-name`: the name of a feature speaks of the outcome.
- `deciding-set`: two or three columns together nearly decide the label, and none of them alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import auc
from streamflow.core.training.column_honesty import (
    DECIDING_AUC,
    cross_rates,
    group_rows,
    has_enough_of_each_class,
    measure_separation,
)
from streamflow.core.training.deciding_sets import find_deciding_sets
from streamflow.core.training.honesty import HonestyFinding, Labels
from streamflow.core.training.pure_ranges import find_pure_ranges

# From this AUC on, a single column may be dominant. It is our convention: good models of churn
# reach it with all columns together.
DOMINANT_AUC = 0.85
# The column must leave at most this share of the errors of all other columns: an error is the
# distance of the AUC to 1.
DOMINANT_ERROR_SHARE = 0.5
# How words of a name begin that speak of the outcome.
OUTCOME_STEMS = ("churn", "attrit", "cancel", "terminat", "unsubscrib", "depart", "leaving")
# Words of a name that speak of the outcome as a whole word.
OUTCOME_WORDS = ("reason", "left", "exit", "exited", "quit")


def find_leak_warnings(matrix: pl.DataFrame, label: Labels) -> Iterator[HonestyFinding]:
    """Find everything in the features that may be a leak and is not severe.

    Args:
        matrix: The features, (n, features).
        label: What happened, (n,).

    >>> label = np.arange(200) % 4 == 0
    >>> frame = pl.DataFrame({"exit_date_known": np.arange(200) % 7, "fee": np.arange(200) % 5})
    >>> print(*find_leak_warnings(frame, label))
    warning: the name of exit_date_known speaks of the outcome: is its value known before?
    """
    yield from find_outcome_names(matrix.columns)
    if not has_enough_of_each_class(label):
        return
    separation = {column.name: measure_separation(column, label) for column in matrix}
    # A column that decides alone is severe, and is no warning a second time.
    candidates = [name for name, value in separation.items() if value < DECIDING_AUC]
    columns = matrix.select(candidates)
    yield from find_dominant_columns(columns, label, separation)
    for column in columns:
        if column.dtype.is_numeric():
            yield from find_pure_ranges(column, label)
    yield from find_deciding_sets(columns, label, separation)


def find_outcome_names(names: Sequence[str]) -> Iterator[HonestyFinding]:
    """Find features whose name speaks of the outcome, such as a reason, score or date of leaving.

    >>> names = ["churn_score", "exit_date", "contact_reason", "credit_score", "left_over_gb"]
    >>> [finding.subject for finding in find_outcome_names(names)]
    ['churn_score', 'exit_date', 'contact_reason', 'left_over_gb']
    """
    for name in names:
        tokens = name.lower().split("_")
        if any(word in OUTCOME_WORDS or word.startswith(OUTCOME_STEMS) for word in tokens):
            yield HonestyFinding(
                check="outcome-name",
                severity="warning",
                subject=name,
                words=f"the name of {name} speaks of the outcome: is its value known before?",
            )


def find_dominant_columns(
    columns: pl.DataFrame,
    label: Labels,
    separation: dict[str, float],
) -> Iterator[HonestyFinding]:
    """Find a column that ranks far better than all other columns together.

    The other columns are added up as the log-odds of their groups (naive Bayes), where the
    rates of the groups are those of the second half of the rows.

    Args:
        columns: The features, (n, features).
        label: What happened, (n,).
        separation: The AUC of each column alone.
    """
    if not any(separation[name] >= DOMINANT_AUC for name in columns.columns):
        return
    evidence = {column.name: _log_odds(column, label) for column in columns}
    everything = sum(evidence.values(), np.zeros(len(label)))
    for name, log_odds in evidence.items():
        alone = separation[name]
        if alone < DOMINANT_AUC:
            continue
        others_auc = auc(label, everything - log_odds)
        if 1 - alone <= DOMINANT_ERROR_SHARE * (1 - max(others_auc, 0.5)):
            yield HonestyFinding(
                check="dominant-feature",
                severity="warning",
                subject=name,
                words=f"{name} alone ranks the label with AUC {alone:.4f}; all other features"
                f" together reach {others_auc:.4f}: is its value known before the outcome?",
                numbers={"auc": round(alone, 4), "others": round(others_auc, 4)},
            )


def _log_odds(column: pl.Series, label: Labels) -> NDArray[np.float64]:
    """Return the log-odds of each row's group, (n,)."""
    rates = cross_rates(group_rows(column), label)
    return np.asarray(np.log(rates) - np.log1p(-rates))
