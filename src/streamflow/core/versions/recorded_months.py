"""The months of a version of many months: the drops, the K and the revisions of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from streamflow.core.training.training_set import Source

RevisionKey = tuple[str, datetime, int]  # table, as_of and number of a revision


@dataclass(frozen=True, kw_only=True)
class RecordedMonth:
    """One month of a training set of many months: its drops, its K, and what it was read from.

    revisions      what identifies each revision: table, as_of and number
    """

    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    revisions: tuple[RevisionKey, ...]

    @property
    def values(self) -> dict[str, Any]:
        """Return the month in plain values, as it is written."""
        return {
            "as_of": self.as_of.isoformat(),
            "label_as_of": self.label_as_of.isoformat(),
            "known_at": self.known_at.isoformat(),
            "revisions": [[table, at.isoformat(), number] for table, at, number in self.revisions],
        }


class DatedSources(Protocol):
    """One month: a training set, or a passport of one month."""

    @property
    def as_of(self) -> datetime:
        """The drop of the features."""

    @property
    def label_as_of(self) -> datetime:
        """The drop of the labels."""

    @property
    def known_at(self) -> datetime:
        """The instant K."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The revisions that it was read from."""


def join_sources(months: Sequence[DatedSources]) -> tuple[Source, ...]:
    """Return every revision of the months, each one once."""
    sources = {source.revision_key: source for month in months for source in month.sources}
    return tuple(sources.values())


def record_months(months: Sequence[DatedSources]) -> tuple[RecordedMonth, ...]:
    """Return the months as a passport records them: not at all, if there is only one."""
    if len(months) == 1:
        return ()
    return tuple(
        RecordedMonth(
            as_of=month.as_of,
            label_as_of=month.label_as_of,
            known_at=month.known_at,
            revisions=tuple(source.revision_key for source in month.sources),
        )
        for month in months
    )


def _month_from_values(values: Mapping[str, Any]) -> RecordedMonth:
    return RecordedMonth(
        as_of=datetime.fromisoformat(values["as_of"]),
        label_as_of=datetime.fromisoformat(values["label_as_of"]),
        known_at=datetime.fromisoformat(values["known_at"]),
        revisions=tuple(
            (table, datetime.fromisoformat(as_of), number)
            for table, as_of, number in values["revisions"]
        ),
    )


def read_months(
    values: Sequence[Mapping[str, Any]], sources: Sequence[Source]
) -> tuple[RecordedMonth, ...]:
    """Read the months of a passport that names these revisions.

    Raises ValueError unless there are several months, the oldest first, which are made of exactly
    these revisions.
    """
    months = tuple(_month_from_values(month_values) for month_values in values)
    dates = [month.as_of for month in months]
    if len(dates) < 2 or dates != sorted(set(dates)):
        raise ValueError("its months are not two or more different months, the oldest first")
    revisions = {revision for month in months for revision in month.revisions}
    if revisions != {source.revision_key for source in sources}:
        raise ValueError("its months are not made of exactly the revisions that it names")
    return months
