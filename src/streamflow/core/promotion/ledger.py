"""The ledger: who held which stage, since when, and who decided it.

Each entry holds the hash of the entry before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from streamflow.core.data.json_text import canonical_json

Action = Literal[
    "promoted",
    "rolled back",
    "outside",
    "repaired",
    "refused",
    "failed",
    "unresolved",
]
# After these actions `to_version` holds the stage. The remaining actions move nothing.
MOVES = ("promoted", "rolled back", "outside")
# The first entry has no entry before it. This is used as the hash of that missing entry.
FIRST_HASH = "0" * 64
PRODUCTION = "Production"
# Characters of a hash that a message shows.
SHOWN = 16


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the ledger, as it is stored.

    Attributes:
        at: When the entry was made, by the clock of the database. It is always later than the
            entry before it, even if the clock goes back.
        since: From when on `to_version` holds the stage. This is `at`; for a change outside it is
            the instant that MLflow names.
        action: One of these:
            promoted, rolled back: we changed the stage.
            outside: somebody changed the stage in MLflow.
            repaired: an alias that was moved outside was put back.
            refused: the gate said no.
            failed: an interrupted move could not be completed.
            unresolved: stage and alias were moved to different versions outside; `to_version`
            keeps serving.
        to_version: None when nothing holds the stage.
        evidence: Canonical JSON, or empty. Its digest is part of the hash.
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
        """Tell whether the entry changed which version holds the stage."""
        return self.action in MOVES

    @property
    def content_hash(self) -> str:
        """Return the sha256 of all fields except `hash`.

        They are written as JSON with sorted keys. Instants are in ISO form, in UTC.
        """
        names = [field.name for field in fields(self) if field.name != "hash"]
        values = {name: getattr(self, name) for name in names}
        text = canonical_json(values, default=_utc_text)
        return sha256(text.encode()).hexdigest()


def _utc_text(instant: datetime) -> str:
    """Return the instant as text that is the same in every time zone of the session."""
    return instant.astimezone(UTC).isoformat()


def format_head(entry: Entry) -> str:
    """Return `seq:hash`, which identifies the newest entry outside the table."""
    return f"{entry.seq}:{entry.hash}"


def find_first_broken(entries: Sequence[Entry], head: str | None = None) -> tuple[int, str] | None:
    """Find the first entry that is not as it was recorded.

    Args:
        entries: All entries, in their order.
        head: The newest entry that MLflow knows. It may be older than the newest entry here.

    Returns:
        The number of the entry, and what is wrong with it. None when all entries are correct.
    """
    previous_hash = FIRST_HASH
    for number, entry in enumerate(entries, 1):
        problem = _problem(entry, number, previous_hash)
        if problem:
            return number, problem
        previous_hash = entry.hash
    return _compare_with_head(entries, head)


def _problem(entry: Entry, number: int, previous_hash: str) -> str:
    """Describe what is wrong with an entry. Empty when it is correct.

    Args:
        entry: The entry at position `number`.
        number: The position, from 1 on.
        previous_hash: The hash of the entry before it.
    """
    if entry.seq != number:
        return f"it is missing: the next entry has the number {entry.seq}"
    if entry.previous != previous_hash:
        return (
            f"it names {entry.previous[:SHOWN]} as the hash of the entry before it,"
            f" but entry {number - 1} has the hash {previous_hash[:SHOWN]}"
        )
    if entry.content_hash != entry.hash:
        return (
            f"it was changed: its content has the hash {entry.content_hash[:SHOWN]},"
            f" but the recorded hash is {entry.hash[:SHOWN]}"
        )
    evidence_digest = sha256(entry.evidence.encode()).hexdigest()
    if entry.evidence and evidence_digest != entry.evidence_digest:
        return "its evidence was changed"
    return ""


def _compare_with_head(entries: Sequence[Entry], head: str | None) -> tuple[int, str] | None:
    """Compare the table with the newest entry that MLflow knows."""
    if head is None:
        return None
    number_text, _, digest = head.partition(":")
    if not number_text.isdecimal() or int(number_text) < 1:
        problem = f"MLflow records '{head}' as the newest entry, which is not an entry"
        return len(entries) + 1, problem
    number = int(number_text)
    if number > len(entries):
        return len(entries) + 1, f"it is missing: MLflow records an entry {number}"
    if entries[number - 1].hash != digest:
        return (
            number,
            f"its hash is different: MLflow records the hash {digest[:SHOWN]}",
        )
    return None


def is_behind(entries: Sequence[Entry], head: str | None) -> bool:
    """Decide whether MLflow knows only an older entry, or none.

    This happens when a process ended before it could tell MLflow.

    >>> is_behind([], None)
    False
    """
    if not entries or head == format_head(entries[-1]):
        return False
    return _compare_with_head(entries, head) is None


def find_last_move(entries: Iterable[Entry], stage: str = PRODUCTION) -> Entry | None:
    """Return the entry that decides which version holds a stage.

    Args:
        entries: The entries, in their order.
        stage: The stage.

    Returns:
        None when the stage had not changed yet.
    """
    newest = None
    for entry in entries:
        if entry.moves and entry.stage == stage:
            newest = entry
    return newest


def rollback_version(
    entries: Iterable[Entry],
    stage: str = PRODUCTION,
    *,
    is_whole: bool = True,
) -> int | None:
    """Return the version that a rollback puts back.

    The promotions form a stack: each promotion lies on the one before it, and a rollback removes
    the top one.

    Args:
        entries: the entries in their order.
        stage: the stage that is rolled back.
        is_whole: False: these are only the newest entries. Then None means that older entries are
            needed, too; a version is the same that the whole ledger gives.
    """
    stack: list[int | None] = []
    for entry in entries:
        if not entry.moves or entry.stage != stage:
            continue
        if entry.action == "rolled back" and stack:
            stack.pop()
        elif entry.action == "rolled back" and not is_whole:
            continue  # it removed a promotion that is older than these entries
        elif not stack or stack[-1] != entry.to_version:
            stack.append(entry.to_version)
    below_the_top = reversed(stack[:-1])
    return next((version for version in below_the_top if version is not None), None)
