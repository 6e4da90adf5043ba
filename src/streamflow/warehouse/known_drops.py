"""The drops that are known at an instant K: which ones, and the newest that has labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import psycopg

from streamflow.catalog import Catalog
from streamflow.database.known_at import current_known_at
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class TrainingDrops:
    """The drops of the features and of the labels, and the instant K at which they were known."""

    as_of: datetime
    label_as_of: datetime
    label_lead: int
    known_at: datetime


@dataclass(frozen=True, kw_only=True)
class KnownDrops:
    """What is known at an instant K.

    known_at      the instant K
    revisions     the newest revision of each table and drop, as known at K; also one that was
                  pruned since, unless these were left out
    entity_table  the table that makes a drop: it holds the keys
    label_table   the table that holds the labels
    """

    known_at: datetime
    revisions: tuple[Revision, ...]
    entity_table: str
    label_table: str

    @cached_property
    def drops(self) -> list[datetime]:
        """Return the `as_of` of each drop, the oldest first."""
        return sorted({rev.as_of for rev in self.revisions if rev.table == self.entity_table})

    @cached_property
    def labelled(self) -> frozenset[datetime]:
        """Return the `as_of` of each delivery of labels."""
        return frozenset(rev.as_of for rev in self.revisions if rev.table == self.label_table)

    @property
    def listed(self) -> str:
        """Return the drops as people read them."""
        return ", ".join(f"{drop:%Y-%m-%d}" for drop in self.drops) or "none"

    def find_label_drop(self, as_of: datetime, lead: int) -> datetime | None:
        """Return the drop that dates the labels of `as_of`, whether it has labels or not.

        It is `as_of` itself for a lead of 0, else the `lead`-th drop after it.

        Returns:
            None when there is no such drop yet.

        Raises:
            ValueError: the lead is negative.
        """
        if lead < 0:
            raise ValueError(f"label_lead: expected 0 or more drops, got {lead}")
        if lead == 0:
            return as_of
        later_drops = [drop for drop in self.drops if drop > as_of]
        return later_drops[lead - 1] if len(later_drops) >= lead else None

    def find_newest_labelled(
        self,
        lead: int,
        *,
        earlier_than: datetime | None = None,
    ) -> TrainingDrops | None:
        """Return the newest drop whose labels, `lead` drops later, are known.

        Args:
            lead: the number of drops between features and label.
            earlier_than: take only drops before this one.

        Returns:
            None when no drop has such labels.
        """
        for as_of in reversed(self.drops):
            if earlier_than is not None and as_of >= earlier_than:
                continue
            label_drop = self.find_label_drop(as_of, lead)
            if label_drop in self.labelled:
                return self.training_drops(as_of, label_drop, lead)
        return None

    def find_months(
        self,
        newest: TrainingDrops,
        count: int,
        first_known: Mapping[tuple[str, datetime], datetime],
    ) -> list[TrainingDrops]:
        """Return the last labelled drops up to `newest`, the oldest first, each with its own K.

        The K of `newest` stays. An earlier month has the last instant before the next month was
        complete; or, if the month itself was complete only later, the instant at which it was.

        Args:
            newest: the newest of them.
            count: how many; there are fewer if there are no more labelled drops.
            first_known: table and drop -> when its first revision became known.
        """
        months = [newest]
        while len(months) < count:
            next_month = months[-1]
            drops = self.find_newest_labelled(newest.label_lead, earlier_than=next_month.as_of)
            if drops is None:
                break
            before_next = self._complete_at(next_month, first_known) - timedelta(microseconds=1)
            own_known_at = max(self._complete_at(drops, first_known), before_next)
            months.append(replace(drops, known_at=own_known_at))
        return months[::-1]

    def _complete_at(
        self, drops: TrainingDrops, first_known: Mapping[tuple[str, datetime], datetime]
    ) -> datetime:
        """Return when each table of a drop, and its labels, were known for the first time."""
        own_tables = {
            (revision.table, revision.as_of)
            for revision in self.revisions
            if revision.as_of == drops.as_of and revision.table != self.label_table
        }
        of_labels = {
            (self.entity_table, drops.label_as_of),
            (self.label_table, drops.label_as_of),
        }
        return max(first_known[table] for table in own_tables | of_labels)

    def training_drops(self, as_of: datetime, label_as_of: datetime, lead: int) -> TrainingDrops:
        """Return a drop and the drop of its labels together with this K."""
        return TrainingDrops(
            as_of=as_of,
            label_as_of=label_as_of,
            label_lead=lead,
            known_at=self.known_at,
        )


def read_known_drops(
    connection: psycopg.Connection,
    catalog: Catalog,
    *,
    known_at: datetime | None = None,
    without_pruned: bool = False,
) -> KnownDrops:
    """Read the drops that are known at an instant.

    A drop whose revision was pruned since was known, too: without it, the drop after it would be
    taken for the next one, and date the wrong labels. Whoever reads rows refuses such a revision.

    Args:
        connection: the database.
        catalog: it says which tables hold the keys and the labels.
        known_at: the instant; None: now.
        without_pruned: leave out a table of a drop whose newest revision was pruned.
    """
    instant = known_at or current_known_at(connection)
    revisions = frozen.revisions(connection, known_at=instant)
    pruned_revisions = frozen.pruned_revisions(connection, revisions, instant)
    pruned = {(revision.table, revision.as_of) for revision in pruned_revisions}
    revisions = [rev for rev in revisions if (rev.table, rev.as_of) not in pruned]
    if not without_pruned:
        revisions += pruned_revisions
    return KnownDrops(
        known_at=instant,
        revisions=tuple(revisions),
        entity_table=catalog.entity.table,
        label_table=catalog.label.table,
    )
