"""Reading the ledger: all of it, whether it is whole, and who served when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamflow.core.promotion.ledger import Entry, first_broken, last_move
from streamflow.errors import VersionMissing
from streamflow.platform import Platform
from streamflow.warehouse import ledger


@dataclass(frozen=True, kw_only=True)
class LedgerVerdict:
    """Whether every entry is as it was entered. `broken` is the number of the first that is not, `words` says how."""

    entries: int
    broken: int | None
    words: str


@dataclass(frozen=True, kw_only=True)
class WhoServed:
    """The version in Production at an instant, and the entry by which it was."""

    model: str
    instant: datetime
    version: int
    since: datetime
    until: datetime | None
    entry: Entry


def read_ledger(platform: Platform) -> list[Entry]:
    """The entries of this model, in their order."""
    return ledger.entries(platform.connection, platform.catalog.model, whole=True)


def verify_ledger(platform: Platform) -> LedgerVerdict:
    """Follow the chain of hashes, and hold its end against what MLflow was told."""
    entries = ledger.entries(platform.connection, whole=True)
    broken = first_broken(entries, platform.models.standing().head)
    number, words = broken or (None, f"{len(entries)} entries, each follows the one before it")
    return LedgerVerdict(entries=len(entries), broken=number, words=words)


def who_served(platform: Platform, instant: datetime) -> WhoServed:
    """Which version was in Production. Raises VersionMissing when none was."""
    entries = read_ledger(platform)
    found = last_move(entries, by=instant)
    if found is None or found.to_version is None:
        since = f" since {found.since.isoformat()}" if found else ""
        raise VersionMissing(
            f"no version of {platform.catalog.model} was in Production at {instant.isoformat()}{since}"
        )
    later = [e.since for e in entries if e.moves and e.stage == found.stage and e.seq > found.seq]
    return WhoServed(
        model=platform.catalog.model,
        instant=instant,
        version=found.to_version,
        since=found.since,
        until=later[0] if later else None,
        entry=found,
    )
