"""Read the ledger: list its entries, verify their chain, and find which version served when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamflow.core.data.counts import count_of
from streamflow.core.promotion.ledger import Entry, find_first_broken
from streamflow.errors import VersionMissing
from streamflow.platform import Platform
from streamflow.warehouse import ledger


@dataclass(frozen=True, kw_only=True)
class LedgerVerdict:
    """The result of verifying the ledger.

    broken   the number of the first entry that is not as it was entered; None when all are
    text     what is wrong with that entry, or that all is right
    """

    entries: int
    broken: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class VersionAtInstant:
    """The version in Production at an instant, and the entry that put it there."""

    model: str
    instant: datetime
    version: int
    since: datetime
    until: datetime | None
    entry: Entry


def read_ledger(platform: Platform) -> list[Entry]:
    """Return the entries of the catalog's model in their order."""
    return ledger.entries(platform.connection, platform.catalog.model, with_evidence=True)


def read_newest_entries(
    platform: Platform,
    *,
    below: int | None = None,
    limit: int,
) -> list[Entry]:
    """Return the newest entries of the catalog's model, the newest first.

    Args:
        platform: the open platform
        below: only entries with smaller numbers; None: from the newest one on
        limit: how many entries at most
    """
    model = platform.catalog.model
    return ledger.newest_entries(platform.connection, model, below=below, limit=limit)


def newest_number(platform: Platform) -> int:
    """Return the number of the newest entry of the catalog's model; 0 without an entry."""
    entries = read_newest_entries(platform, limit=1)
    return entries[0].seq if entries else 0


def read_entry(platform: Platform, number: int) -> Entry | None:
    """Return one entry of the catalog's model with its evidence; None if there is none."""
    entries = read_newest_entries(platform, below=number + 1, limit=1)
    return entries[0] if entries and entries[0].seq == number else None


def verify_ledger(platform: Platform) -> LedgerVerdict:
    """Follow the chain of hashes and compare its end with the newest entry that MLflow knows."""
    entries = ledger.entries(platform.connection, with_evidence=True)
    broken = find_first_broken(entries, platform.models.read_stages().ledger_head)
    if broken is None:
        count = count_of(len(entries), "entry", "entries")
        message = f"{count}, each follows the one before it"
        return LedgerVerdict(entries=len(entries), broken=None, text=message)
    number, problem = broken
    return LedgerVerdict(entries=len(entries), broken=number, text=problem)


def find_version_at(platform: Platform, instant: datetime) -> VersionAtInstant:
    """Return which version was in Production at an instant.

    Raises:
        VersionMissing: no version was in Production.
    """
    last_entry = ledger.find_move_at(platform.connection, platform.catalog.model, instant)
    if last_entry is None or last_entry.to_version is None:
        since = f" since {last_entry.since.isoformat()}" if last_entry else ""
        raise VersionMissing(
            f"no version of {platform.catalog.model} was in Production "
            f"at {instant.isoformat()}{since}"
        )
    return VersionAtInstant(
        model=platform.catalog.model,
        instant=instant,
        version=last_entry.to_version,
        since=last_entry.since,
        until=ledger.find_end(platform.connection, last_entry),
        entry=last_entry,
    )
