"""List the frozen revisions, page by page."""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.platform import Platform
from streamflow.warehouse import revision_pages
from streamflow.warehouse.revision_pages import RevisionLine as RevisionLine  # noqa: PLC0414
from streamflow.warehouse.revision_pages import (
    RevisionPosition as RevisionPosition,  # noqa: PLC0414
)


@dataclass(frozen=True, kw_only=True)
class RevisionList:
    """Some frozen revisions; the list goes on at `next`, if there are more."""

    revisions: tuple[RevisionLine, ...]
    next: RevisionPosition | None


def list_revisions(
    platform: Platform,
    *,
    position: RevisionPosition | None = None,
    limit: int,
) -> RevisionList:
    """List the revisions after a place in the list, those of the newest drop first."""
    revisions = revision_pages.newest_revisions(
        platform.connection,
        platform.catalog.model,
        position=position,
        limit=limit + 1,
    )
    shown = tuple(revisions[:limit])
    last = shown[-1] if len(revisions) > limit else None
    following = None
    if last is not None:
        following = RevisionPosition(as_of=last.as_of, table=last.table, revision=last.revision)
    return RevisionList(revisions=shown, next=following)
