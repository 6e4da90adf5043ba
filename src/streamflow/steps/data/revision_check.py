"""Frozen revisions against their digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamflow.core.data.digest import Digester
from streamflow.core.training.training_set import revision_in_words
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision


def damaged(
    platform: Platform, revisions: Iterable[Revision], key: str, notify: Callable[[str], None]
) -> list[str]:
    """Those of `revisions` whose rows are not what their digest says, in words."""
    wanted = list(revisions)
    progress = Progress(notify, "verifying frozen rows", sum(r.rows for r in wanted))
    return [
        words for revision in wanted if (words := _difference(platform, revision, key, progress))
    ]


def _difference(platform: Platform, revision: Revision, key: str, progress: Progress) -> str:
    types = {
        column.name: column.type
        for column in frozen.stored_digest(platform.connection, revision).columns
    }
    digester = Digester(key, types)
    for chunk in frozen.frozen_rows(
        platform.address, revision.table, types, key, revision.as_of, revision.revision
    ):
        digester.update(chunk)
        progress.add(len(chunk))
    return difference(revision, digester.finish().value)


def difference(revision: Revision, found: str) -> str:
    """How a digest that was found differs from the recorded one; empty when it does not."""
    if found == revision.digest:
        return ""
    words = revision_in_words(revision.table, revision.as_of, revision.revision)
    return f"{words}: its rows have the digest {found}, recorded is {revision.digest}"
