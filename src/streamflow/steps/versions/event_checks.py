"""Compute the aggregates of a version's revisions again from their events, where these are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streamflow.core.data.catalog_definitions import describe_event_table
from streamflow.core.training.training_set import Source
from streamflow.errors import TemporalViolation
from streamflow.platform import Platform
from streamflow.steps.data.event_proof import EventProof, prove_aggregates
from streamflow.warehouse import drops, frozen
from streamflow.warehouse.aggregates import EventDrop
from streamflow.warehouse.drops import DeliveryState


@dataclass(frozen=True, kw_only=True)
class EventCheck:
    """Whether the events of one revision give its aggregates again.

    source   the revision, as a person reads it
    proof    what the aggregates were computed from; None: they were not computed, or they differ
    reason   why they were not computed, or what differs
    differs  whether the events give different aggregates
    """

    source: str
    proof: EventProof | None = None
    reason: str = ""
    differs: bool = False


def check_events(platform: Platform, sources: Iterable[Source]) -> Iterator[EventCheck]:
    """Check each revision that was made of events.

    The expressions of a recorded catalog may come from somebody else. Only those that the catalog
    of this installation has too were checked by `migrate`, and are computed.

    The database has only the newest events of a drop. If a later delivery changed them, the
    aggregates of the revision cannot be computed again; they were when they were frozen.
    """
    for source in sources:
        if source.table in platform.catalog.events:
            if _is_installed(platform, source.table):
                yield _check_revision(platform, source)
            else:
                reason = "its aggregates are declared differently in this installation"
                yield EventCheck(source=str(source), reason=reason)


def _is_installed(platform: Platform, table: str) -> bool:
    """Return whether the catalog of this installation declares the events as the recorded one."""
    installed = platform.catalog_file.catalog
    if table not in installed.events:
        return False
    return describe_event_table(installed, table) == describe_event_table(platform.catalog, table)


def _check_revision(platform: Platform, source: Source) -> EventCheck:
    catalog = platform.catalog
    state = drops.find_delivery_state(
        platform.connection, [source.table, catalog.entity.table], source.as_of, source.known_at
    )
    if state == DeliveryState.ABSENT:
        return EventCheck(source=str(source), reason="its events are not in this installation")
    drop = EventDrop(
        table=source.table,
        key=catalog.entity.key,
        as_of=source.as_of,
        events=catalog.events[source.table],
    )
    revision = frozen.revisions_by_key(platform.connection)[source.revision_key]
    digest = frozen.stored_digest(platform.connection, revision)
    try:
        proof = prove_aggregates(platform, drop, digest)
    except TemporalViolation as exc:
        if state == DeliveryState.REPLACED:
            return EventCheck(source=str(source), reason="a later delivery changed its events")
        return EventCheck(source=str(source), reason=exc.message, differs=True)
    return EventCheck(source=str(source), proof=proof)
