"""The ledger: who held which stage, since when, by whose decision. Each entry holds the hash of the one before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

Action = Literal[
    "promoted", "rolled back", "outside", "repaired", "refused", "failed", "unresolved"
]
MOVES = (
    "promoted",
    "rolled back",
    "outside",
)  # after these `to_version` holds the stage; the others move nothing
FIRST = "0" * 64  # what stands for the hash before the first entry
PRODUCTION = "Production"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    at       when it was entered, by the database's clock, later than the entry before it whatever the clock does
    since    from when on `to_version` holds the stage: `at`, or of a change outside what MLflow says of it
    action   promoted, rolled back: by us   outside: in MLflow   repaired: an alias that was moved outside was put back
             refused: the gate said no   failed: an interrupted move that could not be completed
             unresolved: stage and alias were moved apart outside, `to_version` goes on
    to_version   None: nothing holds the stage
    evidence     canonical JSON, or empty; its digest is part of the hash
    """

    seq: int
    at: datetime
    who: str
    model: str
    action: Action
    stage: str
    from_version: int | None
    to_version: int | None
    since: datetime
    forced: bool
    why: str
    evidence_digest: str
    evidence: str
    previous: str
    hash: str = ""

    @property
    def moves(self) -> bool:
        """Whether the stage changed hands."""
        return self.action in MOVES

    @property
    def content_hash(self) -> str:
        """sha256 of all fields but `hash`, as JSON with sorted keys and instants in ISO form, in UTC."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "hash"}
        text = json.dumps(
            values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_utc
        )
        return sha256(text.encode()).hexdigest()


def _utc(instant: datetime) -> str:
    """The same text whatever zone the session is in."""
    return instant.astimezone(UTC).isoformat()


def head_of(entry: Entry) -> str:
    """What names the newest entry where the table cannot reach: `seq:hash`."""
    return f"{entry.seq}:{entry.hash}"


def first_broken(entries: Sequence[Entry], head: str | None = None) -> tuple[int, str] | None:
    """(seq, what is wrong) of the first entry that is not as it was entered; None when all are.

    entries   in their order      head   the newest that MLflow was told of; it may be older than the newest here
    """
    before = FIRST
    for number, entry in enumerate(entries, 1):
        if entry.seq != number:
            return number, f"it is missing: the next one has the number {entry.seq}"
        if entry.previous != before:
            return (
                number,
                f"it follows an entry with the hash {entry.previous[:16]}, and entry {number - 1} has {before[:16]}",
            )
        if entry.content_hash != entry.hash:
            return (
                number,
                f"it was changed: its content has the hash {entry.content_hash[:16]}, entered was {entry.hash[:16]}",
            )
        if entry.evidence and sha256(entry.evidence.encode()).hexdigest() != entry.evidence_digest:
            return number, "its evidence was changed"
        before = entry.hash
    return _beyond(entries, head)


def _beyond(entries: Sequence[Entry], head: str | None) -> tuple[int, str] | None:
    """What the newest entry that MLflow was told of says against the table."""
    if head is None:
        return None
    number, _, digest = head.partition(":")
    if not number.isdecimal() or int(number) < 1:
        return len(entries) + 1, f"MLflow was told of a newest entry '{head}', which is none"
    if int(number) > len(entries):
        return len(entries) + 1, f"it is missing: MLflow was told of entry {number}"
    if entries[int(number) - 1].hash != digest:
        return int(number), f"it is another: MLflow was told of the hash {digest[:16]}"
    return None


def is_behind(entries: Sequence[Entry], head: str | None) -> bool:
    """Whether MLflow was told of an older entry, or of none: a process ended before it could.

    >>> is_behind([], None)
    False
    """
    return bool(entries) and head != head_of(entries[-1]) and _beyond(entries, head) is None


def last_move(
    entries: Iterable[Entry], stage: str = PRODUCTION, *, by: datetime | None = None
) -> Entry | None:
    """The entry by which a stage is held as it is, or was at the instant `by`; None when nothing had happened yet."""
    found = None
    for entry in entries:
        if entry.moves and entry.stage == stage and (by is None or entry.since <= by):
            found = entry
    return found


def holder(entries: Iterable[Entry], stage: str) -> int | None:
    """The version that holds a stage."""
    found = last_move(entries, stage)
    return found.to_version if found else None


def former(entries: Iterable[Entry], stage: str = PRODUCTION) -> int | None:
    """The version that a rollback puts back: each promotion lies on the one before it, a rollback takes it away."""
    pile: list[int | None] = []
    for entry in entries:
        if not entry.moves or entry.stage != stage:
            continue
        if entry.action == "rolled back" and pile:
            pile.pop()
        elif not pile or pile[-1] != entry.to_version:
            pile.append(entry.to_version)
    return next((version for version in reversed(pile[:-1]) if version is not None), None)
