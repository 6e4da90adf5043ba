"""Training-serving skew: compare served values with the values of the offline path, bit for bit.

Both are values for the same instant. They are equal when type and bits are equal: 29.85 is not
29.850000381469727, which a detour over float32 makes of it, and 3 is not 3.0. The log is JSON,
which has no -0.0 and writes large floats as whole numbers. So both values are compared in the form
that the log keeps.
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
# From here on, a whole number in JSON may have been a float.
EXACT_INTEGER_LIMIT = 2.0**53


class RecordedRevision(NamedTuple):
    """A revision, and when it became known. `pruned` tells whether it was pruned."""

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    pruned: bool = False


class ExpectedValues(NamedTuple):
    """The values that a served value is compared with.

    Attributes:
        from_named_revision: From the drop and the revision that the live row named: what the
            online store had to hold.
        known_at_answer: From the newest drop that was known when the answer was given: what the
            online store should have held.
        known_today: From the same drop as `from_named_revision`, as it is known now.
    """

    from_named_revision: Value
    known_at_answer: Value
    known_today: Value


@dataclass(frozen=True, kw_only=True)
class Skew:
    """A served value that differs from the expected value. The cause decides what is expected."""

    cause: Cause
    key: str
    request_id: str
    at: datetime
    version: int
    feature: str
    served: Value
    expected: Value

    def __str__(self) -> str:
        """Return the skew as one line."""
        instant = self.at.isoformat(timespec="seconds")
        return (
            f"{self.cause:11} {self.key} {self.feature}:"
            f" served {self.served!r}, expected {self.expected!r}"
            f" (version {self.version}, {instant}, request {self.request_id})"
        )


def as_logged(value: Value, logical: str) -> Value:
    """Return a value as it is read from the log when its logical type is known.

    >>> as_logged(10**22, "float"), as_logged(-0.0, "float")
    (1e+22, 0.0)
    >>> as_logged(3, "float"), as_logged(True, "int")
    (3, True)
    """
    if logical == "float" and type(value) is int and abs(value) >= EXACT_INTEGER_LIMIT:
        return float(value)
    # Adding 0.0 turns -0.0 into 0.0.
    return value + 0.0 if type(value) is float else value


def have_same_bits(a: Value, b: Value) -> bool:
    """Decide whether two values have the same type and the same bits.

    >>> have_same_bits(29.85, 29.85), have_same_bits(29.85, 29.850000381469727)
    (True, False)
    >>> have_same_bits(float("nan"), float("nan"))
    True
    >>> have_same_bits(3, 3.0), have_same_bits(True, 1)
    (False, False)
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, float) and isinstance(b, float):
        return a.hex() == b.hex()
    return a == b


def differ_only_in_type(a: Value, b: Value) -> bool:
    """Decide whether only the type or the precision of two values differs.

    Examples are a float that was a float32, a whole number, a text or a truth value.

    >>> differ_only_in_type(29.850000381469727, 29.85), differ_only_in_type(3, 3.0)
    (True, True)
    >>> differ_only_in_type("3", 3), differ_only_in_type(29.86, 29.85)
    (True, False)
    >>> differ_only_in_type(None, 0.0), differ_only_in_type(16777216, 16777217)
    (False, False)
    >>> differ_only_in_type("01", "1"), differ_only_in_type(2**53, 2**53 + 1)
    (False, False)
    """
    if type(a) is type(b) and type(a) is not float:
        return False
    a_number = _number(a)
    b_number = _number(b)
    if a_number is None or b_number is None:
        return False
    if a_number == b_number:
        return True
    if float not in (type(a), type(b)):
        return False
    return _float32(a_number) == b_number or _float32(b_number) == a_number


def _number(value: Value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def find_cause(
    served: Value,
    expected: ExpectedValues,
    *,
    same_code: bool,
) -> tuple[Cause, Value] | None:
    """Find out why a served value is not the expected one.

    The value that the store had to hold is compared first: only a value that the store held
    correctly can be stale, or replaced by a correction.

    Args:
        served: The value in the log.
        expected: The values to compare with.
        same_code: Whether the answer was given by the code that runs now.

    Returns:
        The cause, and the expected value. None when the value is correct.

    >>> find_cause(2, ExpectedValues(2, 2, 2), same_code=True) is None
    True
    >>> find_cause(2, ExpectedValues(2, 3, 4), same_code=True)
    ('stale', 3)
    >>> find_cause(2, ExpectedValues(2, 2, 4), same_code=True)
    ('late', 4)
    >>> find_cause(2, ExpectedValues(2.0, 2.0, 2.0), same_code=True)
    ('type', 2.0)
    >>> find_cause(2, ExpectedValues(5, 5, 5), same_code=False)
    ('code', 5)
    >>> find_cause(2, ExpectedValues(5, 5, 5), same_code=True)
    ('unexplained', 5)
    """
    if not have_same_bits(served, expected.from_named_revision):
        if differ_only_in_type(served, expected.from_named_revision):
            return "type", expected.from_named_revision
        cause: Cause = "unexplained" if same_code else "code"
        return cause, expected.from_named_revision
    if not have_same_bits(served, expected.known_at_answer):
        return "stale", expected.known_at_answer
    if not have_same_bits(served, expected.known_today):
        return "late", expected.known_today
    return None


class DropKnowledge:
    """Which drops were known at which instant, from all revisions, the pruned ones too."""

    def __init__(self, revisions: Iterable[RecordedRevision], tables: Iterable[str]) -> None:
        """Sort the revisions.

        Args:
            revisions: All revisions, the pruned ones too.
            tables: The tables that a drop must have before it can be materialized.
        """
        self._revisions = sorted(revisions, key=lambda revision: revision.known_at)
        self._instants = sorted({revision.known_at for revision in self._revisions})
        self._tables = frozenset(tables)

    def newest_instant(self, instant: datetime) -> datetime | None:
        """Return the newest instant up to `instant` at which a revision became known.

        From that instant on, everything was known that was known at `instant`.

        Returns:
            None when nothing was known.
        """
        count = bisect_right(self._instants, instant)
        return self._instants[count - 1] if count else None

    def newest_drop(self, known_at: datetime) -> datetime | None:
        """Return the as_of of the drop that a materialization would have made live.

        It is the newest drop whose tables were all frozen.
        """
        tables_by_drop: dict[datetime, set[str]] = {}
        for revision in self._revisions:
            if revision.known_at <= known_at and revision.table in self._tables:
                tables_by_drop.setdefault(revision.as_of, set()).add(revision.table)
        complete_drops = [
            as_of for as_of, tables in tables_by_drop.items() if tables == self._tables
        ]
        return max(complete_drops, default=None)

    def can_be_read(self, tables: Iterable[str], as_of: datetime, known_at: datetime) -> bool:
        """Decide whether a drop can still be read as it was known at an instant.

        It can when none of the revisions that were the newest at that instant was pruned.
        """
        newest: dict[str, RecordedRevision] = {}
        for revision in self._revisions:
            if revision.as_of != as_of or revision.known_at > known_at:
                continue
            newest_so_far = newest.get(revision.table)
            if newest_so_far is None or newest_so_far.revision < revision.revision:
                newest[revision.table] = revision
        return not any(table in newest and newest[table].pruned for table in tables)


def count_causes(skews: Sequence[Skew]) -> Mapping[Cause, int]:
    """Count the skews of each cause. A cause without a skew counts 0."""
    counts = dict.fromkeys(CAUSES, 0)
    for skew in skews:
        counts[skew.cause] += 1
    return counts
