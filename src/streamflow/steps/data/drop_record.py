"""Read what became of drops: a list of them, and one drop with files, revisions and rejects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamflow.errors import SnapshotMissing
from streamflow.platform import Platform
from streamflow.warehouse import drop_pages
from streamflow.warehouse.drop_pages import (
    Delivery,
    DropLine,
    DropRevision,
    RefusedFolder,
    RejectedLine,
)

MAX_REJECTS = 100
MAX_REFUSED = 20


@dataclass(frozen=True, kw_only=True)
class DropList:
    """The newest drops, and the newest folders of the inbox that were refused."""

    drops: tuple[DropLine, ...]
    refused: tuple[RefusedFolder, ...]


@dataclass(frozen=True, kw_only=True)
class DropRecord:
    """One drop.

    deliveries  every file that was delivered for it, the newest first
    revisions   every frozen content of its tables, with what a correction changed
    rejects     the first of the rows that were not loaded
    rejected    how many these are in all
    refused     the folders of the inbox with this drop that could not be processed
    """

    as_of: datetime
    deliveries: tuple[Delivery, ...]
    revisions: tuple[DropRevision, ...]
    rejects: tuple[RejectedLine, ...]
    rejected: int
    refused: tuple[RefusedFolder, ...]


def list_drops(platform: Platform, *, below_day: datetime | None = None, limit: int) -> DropList:
    """List the newest drops, those of an earlier day than `below_day`."""
    connection = platform.connection
    return DropList(
        drops=tuple(drop_pages.newest_drops(connection, below_day=below_day, limit=limit)),
        refused=tuple(drop_pages.refused_folders(connection, limit=MAX_REFUSED)),
    )


def read_drop(platform: Platform, as_of: datetime) -> DropRecord:
    """Read one drop.

    Raises:
        SnapshotMissing: nothing is known of a drop of this day.
    """
    connection = platform.connection
    deliveries = drop_pages.deliveries(connection, as_of)
    revisions = drop_pages.drop_revisions(connection, as_of)
    refused = drop_pages.refused_folders(connection, as_of=as_of, limit=MAX_REFUSED)
    if not (deliveries or revisions or refused):
        raise SnapshotMissing(
            f"there is no drop of {as_of:%Y-%m-%d}",
            remedy="Run 'streamflow drops' to see the drops.",
        )
    rejects = drop_pages.first_rejects(connection, as_of, limit=MAX_REJECTS)
    return DropRecord(
        as_of=as_of,
        deliveries=tuple(deliveries),
        revisions=tuple(revisions),
        rejects=tuple(rejects),
        rejected=rejects[0].total if rejects else 0,
        refused=tuple(refused),
    )
