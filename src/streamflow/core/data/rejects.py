"""Choose the rows that are left out when good rows are loaded and bad rows are set aside.

A user is loaded completely or not at all: a model reads the rows of one key in all files together,
so one bad row rejects all of them. A row without a key is rejected alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from streamflow.core.data.contract import DropViolation


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One row of a drop that is not loaded.

    cause  why it is rejected: its own violation, or that of a different row with the same key
    """

    table: str
    row: int
    key: str | int | None
    cause: DropViolation


def find_rejected_keys(violations: Sequence[DropViolation]) -> set[str | int]:
    """Return the keys that have at least one row which breaks the contract."""
    return {violation.key for violation in violations if violation.key is not None}


def list_rejects(
    violations: Sequence[DropViolation],
    keys: Mapping[str, pl.DataFrame],
    *,
    key: str,
) -> list[Reject]:
    """List every row that is left out, by table and row.

    Args:
        violations: everything that breaks the contract of the drop.
        keys: table -> frame with `key` and `row`, of each delivered file.
        key: the name of the entity's key.

    >>> users = pl.DataFrame({"id": ["a", "b"], "row": [0, 1]})
    >>> plans = pl.DataFrame({"id": ["a", "b"], "row": [0, 1]})
    >>> bad = DropViolation(
    ...     table="plans", column="fee", row=1, expected="number", got="'x'", key="b"
    ... )
    >>> found = list_rejects([bad], {"users": users, "plans": plans}, key="id")
    >>> [(reject.table, reject.row, reject.cause.table) for reject in found]
    [('plans', 1, 'plans'), ('users', 1, 'plans')]
    """
    rejects_by_row: dict[tuple[str, int], Reject] = {}
    first_violations: dict[str | int, DropViolation] = {}
    for violation in violations:
        if violation.row is not None:
            reject = Reject(
                table=violation.table,
                row=violation.row,
                key=violation.key,
                cause=violation,
            )
            rejects_by_row.setdefault((reject.table, reject.row), reject)
        if violation.key is not None:
            first_violations.setdefault(violation.key, violation)
    for table, frame in keys.items():
        bad_rows = frame.filter(pl.col(key).is_in(list(first_violations)))
        for value, row in bad_rows.select(key, "row").iter_rows():
            reject = Reject(table=table, row=row, key=value, cause=first_violations[value])
            rejects_by_row.setdefault((table, row), reject)
    return sorted(rejects_by_row.values(), key=lambda reject: (reject.table, reject.row))
