"""Violations of the temporal proof: cells with a wrong value, and why that value is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of
from streamflow.core.data.instants import format_instant
from streamflow.core.training.row_sources import (
    MICROSECOND,
    DatedRevision,
    Reading,
    admissible_revisions,
    microseconds,
)


@dataclass(frozen=True, kw_only=True)
class CellViolation:
    """A cell with a wrong value; or a key that does not belong into the set or is missing from it.

    Attributes:
        what: view:feature, table:label, or the table.
        found: The value in the set.
        expected: The value that belongs there.
        as_of: The instant of the frozen row that belongs there. None where there is no such row.
        known_at: The instant at which that row became known. None where there is no such row.
        from_as_of: The instant of the frozen row that holds the wrong value. None where there is
            no such row.
        from_known_at: The instant at which that row became known. None where there is no such row.
        why: What is wrong with the row that holds the wrong value.
    """

    key: str | int
    what: str
    found: object = None
    expected: object = None
    as_of: datetime | None = None
    known_at: datetime | None = None
    from_as_of: datetime | None = None
    from_known_at: datetime | None = None
    why: str

    def __str__(self) -> str:
        """Return the violation as one line."""
        if ":" not in self.what:
            return f"{self.key} {self.what}: {self.why}"
        origin = ", because no row of the key is valid"
        if self.as_of:
            origin = f" ({_instants_in_words(self.as_of, self.known_at)})"
        wrong_source = ""
        if self.from_as_of:
            instants = _instants_in_words(self.from_as_of, self.from_known_at)
            wrong_source = f"the value in the set is from {instants}, "
        return (
            f"{self.key} {self.what}: the set has {self.found!r}, expected {self.expected!r}"
            f"{origin}: {wrong_source}{self.why}"
        )


def _instants_in_words(as_of: datetime | None, known_at: datetime | None) -> str:
    return f"as_of {format_instant(as_of)}, known at {format_instant(known_at)}"


def differing_bits(values: pl.Series, expected: pl.Series, logical: str) -> NDArray[np.bool_]:
    """Tell for each row whether two columns have different bits, (n,). Null equals null.

    Args:
        values: The values in the set.
        expected: The values of the frozen rows.
        logical: The logical type of both.

    Raises:
        TypeError: The columns have different types.
    """
    if values.dtype != expected.dtype:
        raise TypeError(
            f"column '{values.name}' is {values.dtype} in the set"
            f" and {expected.dtype} in the frozen rows"
        )
    values_null = values.is_null().to_numpy()
    expected_null = expected.is_null().to_numpy()
    bits_differ = _bits(values, logical) != _bits(expected, logical)
    return np.asarray((values_null != expected_null) | (~values_null & bits_differ), dtype=bool)


def _bits(values: pl.Series, logical: str) -> NDArray[np.generic]:
    if logical == "string":
        return values.fill_null("").to_numpy()
    if logical == "float":
        return values.fill_null(0.0).to_numpy().view(np.int64)
    return values.to_physical().cast(pl.Int64).fill_null(0).to_numpy()


def explain_violation(
    violation: CellViolation,
    rows: pl.DataFrame,
    all_revisions: Sequence[DatedRevision],
    reading: Reading,
) -> CellViolation:
    """Add to a violation which frozen row holds the wrong value, and why it may not be used.

    Args:
        violation: A violation without an explanation.
        rows: Every frozen row of the key, of all revisions: as_of, revision, known_at and the
            columns of the reading.
        all_revisions: Every revision of the table.
        reading: Which rows are allowed.
    """
    column = violation.what.partition(":")[2]
    logical = reading.types[column]
    values = rows[column]
    wrong_value = pl.Series(column, [violation.found] * len(rows), dtype=values.dtype)
    has_wrong_value = ~differing_bits(wrong_value, values, logical)
    revisions = admissible_revisions(all_revisions, reading)
    allowed = {(revision.as_of, revision.revision) for revision in revisions}
    wrong_rows = rows.filter(pl.Series(has_wrong_value))
    reasons = sorted(_reasons(violation, wrong_rows, allowed, reading))
    if not reasons:
        return replace(violation, why="no frozen row of this key holds that value")
    _, _, reason, as_of, known_at = reasons[0]
    return replace(violation, why=reason, from_as_of=as_of, from_known_at=known_at)


def _reasons(
    violation: CellViolation,
    rows: pl.DataFrame,
    allowed: set[tuple[datetime, int]],
    reading: Reading,
) -> Iterator[tuple[int, int, str, datetime, datetime]]:
    """Give a reason for each row that holds the wrong value.

    Yields:
        How grave it is (0 is the gravest), how far back the row is, why it may not be used, its
        as_of and its known_at.
    """
    instants = rows.select("as_of", "revision", "known_at")
    for as_of, revision, known_at in instants.iter_rows():
        is_allowed = (as_of, revision) in allowed
        rank, reason = _reason(violation, as_of, revision, known_at, reading, is_allowed=is_allowed)
        yield rank, -microseconds(as_of), reason, as_of, known_at


def _reason(
    violation: CellViolation,
    as_of: datetime,
    revision: int,
    known_at: datetime,
    reading: Reading,
    *,
    is_allowed: bool,
) -> tuple[int, str]:
    reading_day = format_instant(reading.as_of)
    known_day = format_instant(reading.known_at)
    oldest_as_of = microseconds(reading.as_of) - reading.ttl // MICROSECOND
    if as_of > reading.as_of:
        return 0, f"after {reading_day}"
    if known_at > reading.known_at:
        return 1, f"known only after {known_day}"
    if microseconds(as_of) < oldest_as_of:
        if reading.ttl:
            return 2, f"more than {count_of(reading.ttl.days, 'day')} before {reading_day}"
        return 2, f"not of {reading_day}"
    if not is_allowed:
        return (
            3,
            f"of revision {revision}, which a newer revision had replaced by {known_day}",
        )
    return 4, f"older than the row of {format_instant(violation.as_of)}"
