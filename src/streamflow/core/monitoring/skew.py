"""Training-serving skew: values that were served against those that the offline path gives for the same instant, bit for bit.

A value is the same when type and bits are: 29.85 is not the 29.850000381469727 that a detour over float32 makes of it, and 3 is not
3.0. The log is JSON, which has no -0.0 and writes large floats as whole numbers: both sides are read as the log keeps them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np

Value = bool | int | float | str | None
Cause = Literal["stale", "late", "type", "code", "unexplained"]
CAUSES: tuple[Cause, ...] = ("stale", "late", "type", "code", "unexplained")
EXACT = 2.0**53  # from here on JSON's whole number may be a float


class Known(NamedTuple):
    """A revision, as far as it matters when which drop was known. `gone`: it was pruned."""

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    gone: bool = False


class Expected(NamedTuple):
    """What belongs to one value.

    served   by the drop and the revision that the live row said it was of: what the online store had to hold
    then     by the newest drop that was known when the answer was given: what it should have held
    now      by the same drop as `served`, as it is known now
    """

    served: Value
    then: Value
    now: Value


@dataclass(frozen=True, kw_only=True)
class Skew:
    """One value that was served and is not what belongs there. `expected` is what the cause says belongs there."""

    cause: Cause
    key: str
    request_id: str
    at: datetime
    version: int
    feature: str
    served: Value
    expected: Value

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.cause:11} {self.key} {self.feature}: {self.served!r} was served, {self.expected!r} belongs there"
            f" (version {self.version}, {self.at.isoformat(timespec='seconds')}, request {self.request_id})"
        )


def as_logged(value: Value, logical: str) -> Value:
    """A value as the log gives it back to one who knows its type.

    >>> as_logged(10**22, "float"), as_logged(-0.0, "float"), as_logged(3, "float"), as_logged(True, "int")
    (1e+22, 0.0, 3, True)
    """
    if logical == "float" and type(value) is int and abs(value) >= EXACT:
        return float(value)
    return value + 0.0 if type(value) is float else value


def same(one: Value, other: Value) -> bool:
    """Whether two values are of one type and have the same bits.

    >>> same(29.85, 29.85), same(29.85, 29.850000381469727), same(3, 3.0), same(True, 1), same(float("nan"), float("nan"))
    (True, False, False, False, True)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return one.hex() == other.hex()
    return one == other


def only_another_type(one: Value, other: Value) -> bool:
    """Whether two values differ by their type or precision alone: a float that was a float32, a whole number, text, a truth value.

    >>> only_another_type(29.850000381469727, 29.85), only_another_type(3, 3.0), only_another_type("3", 3)
    (True, True, True)
    >>> only_another_type(29.86, 29.85), only_another_type(None, 0.0), only_another_type(16777216, 16777217)
    (False, False, False)
    """
    a, b = _number(one), _number(other)
    if a is None or b is None:
        return False
    return a == b or (float in (type(one), type(other)) and (_float32(a) == b or _float32(b) == a))


def _number(value: Value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def cause_of(served: Value, expected: Expected, *, same_code: bool) -> tuple[Cause, Value] | None:
    """Why a value is not what belongs there, and what does; None when it is.

    What the store had to hold is asked first: only a value that it faithfully held can be stale, or overtaken by a correction.

    >>> cause_of(2, Expected(2, 2, 2), same_code=True), cause_of(2, Expected(2, 3, 4), same_code=True)
    (None, ('stale', 3))
    >>> cause_of(2, Expected(2, 2, 4), same_code=True), cause_of(2, Expected(2.0, 2.0, 2.0), same_code=True)
    (('late', 4), ('type', 2.0))
    >>> cause_of(2, Expected(5, 5, 5), same_code=False), cause_of(2, Expected(5, 5, 5), same_code=True)
    (('code', 5), ('unexplained', 5))
    """
    if not same(served, expected.served):
        if only_another_type(served, expected.served):
            return "type", expected.served
        return ("unexplained" if same_code else "code"), expected.served
    if not same(served, expected.then):
        return "stale", expected.then
    return None if same(served, expected.now) else ("late", expected.now)


class Knowledge:
    """Which drops were known when, from all revisions, the pruned ones too."""

    def __init__(self, revisions: Iterable[Known], tables: Iterable[str]) -> None:
        """`tables`: those that a drop must have to be materialized."""
        self._revisions = sorted(revisions, key=lambda r: r.known_at)
        self._instants = sorted({r.known_at for r in self._revisions})
        self._tables = frozenset(tables)

    def at(self, instant: datetime) -> datetime | None:
        """The instant from which on all was known that was known at `instant`; None when nothing was."""
        number = bisect_right(self._instants, instant)
        return self._instants[number - 1] if number else None

    def newest_drop(self, known_at: datetime) -> datetime | None:
        """The as_of that a materialization would have made live: the newest of which every table was frozen."""
        held: dict[datetime, set[str]] = {}
        for r in self._revisions:
            if r.known_at <= known_at and r.table in self._tables:
                held.setdefault(r.as_of, set()).add(r.table)
        return max(
            (as_of for as_of, tables in held.items() if tables == self._tables), default=None
        )

    def can_be_read(self, tables: Iterable[str], as_of: datetime, known_at: datetime) -> bool:
        """Whether the revisions of a drop that were the newest known at an instant are there still: none was pruned."""
        newest: dict[str, Known] = {}
        for r in self._revisions:
            if (
                r.as_of == as_of
                and r.known_at <= known_at
                and (r.table not in newest or newest[r.table].revision < r.revision)
            ):
                newest[r.table] = r
        return all(table not in newest or not newest[table].gone for table in tables)


def counted(found: Sequence[Skew]) -> Mapping[Cause, int]:
    """Cause -> values, every cause named."""
    return {cause: sum(one.cause == cause for one in found) for cause in CAUSES}
