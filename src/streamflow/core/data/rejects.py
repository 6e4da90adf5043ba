"""Which rows are left out when good rows are loaded and bad ones kept apart.

A user is loaded whole or not at all: the rows of one key in all files stand and fall together, since a model reads them
together. A row without a key fails alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from streamflow.core.data.contract import Violation


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One row that is not loaded. `cause` is the violation for which; its own, or that of another row of its key."""

    table: str
    row: int
    key: str | int | None
    cause: Violation


def rejected_keys(violations: Sequence[Violation]) -> set[str | int]:
    """The keys of which some row breaks the contract."""
    return {v.key for v in violations if v.key is not None}


def rejects(
    violations: Sequence[Violation], keys: Mapping[str, pl.DataFrame], *, key: str
) -> list[Reject]:
    """Every row that is left out, by table and row.

    keys  table -> frame with `key` and `row`, of the files that are delivered

    >>> keys = {"users": pl.DataFrame({"id": ["a", "b"], "row": [0, 1]}), "plans": pl.DataFrame({"id": ["a", "b"], "row": [0, 1]})}
    >>> bad = Violation(table="plans", column="fee", row=1, expected="number", got="'x'", key="b")
    >>> [(r.table, r.row, r.cause.table) for r in rejects([bad], keys, key="id")]
    [('plans', 1, 'plans'), ('users', 1, 'plans')]
    """
    own = {(v.table, v.row): v for v in reversed(violations) if v.row is not None}
    of_key = {v.key: v for v in reversed(violations) if v.key is not None}
    found = {
        place: Reject(table=place[0], row=place[1], key=v.key, cause=v) for place, v in own.items()
    }
    for table, frame in keys.items():
        for value, row in (
            frame.filter(pl.col(key).is_in(list(of_key))).select(key, "row").iter_rows()
        ):
            place = (table, row)
            found.setdefault(place, Reject(table=table, row=row, key=value, cause=of_key[value]))
    return sorted(found.values(), key=lambda r: (r.table, r.row))
