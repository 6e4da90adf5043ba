"""Who holds a stage: the one place that changes it, and that notices when MLflow's own page did.

A move is noted before it is made in MLflow, and entered after: whoever comes next completes what a killed process left.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streamflow.core.promotion.ledger import (
    PRODUCTION,
    Entry,
    head_of,
    holder,
    is_behind,
    last_move,
)
from streamflow.core.promotion.stage_holder import Resolution, resolve
from streamflow.errors import VersionMissing
from streamflow.models.registry import ModelVersion
from streamflow.models.stages import ALIASES, Standing
from streamflow.platform import Platform
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

REMEDY = "Run 'streamflow promote VERSION': the others are archived."


def served(platform: Platform, stage: str = PRODUCTION) -> ModelVersion | None:
    """The version that serves, as the stage decides; nothing is written.

    Raises VersionMissing when several are in the stage, or when the version that goes on was deleted.
    """
    now = platform.models.standing()
    found = _resolved(platform, now, stage)
    if found.found == "several":
        raise VersionMissing(
            f"{platform.catalog.model}: {found.words}", remedy=REMEDY, versions=now.staged[stage]
        )
    return None if found.serves is None else platform.models.version(found.serves)


@dataclass(frozen=True, kw_only=True)
class Held:
    """Who holds Production, since when by the ledger (None: it does not know yet), and what is not agreed on."""

    version: int | None
    since: datetime | None
    notes: tuple[str, ...]


def held(platform: Platform) -> Held:
    """Ask once, for one that goes on answering whatever is not settled. Nothing is written."""
    now = platform.models.standing()
    known = ledger.entries(platform.connection, platform.catalog.model)
    found = resolve(
        holder(known, PRODUCTION), now.staged[PRODUCTION], now.aliases[PRODUCTION], stage=PRODUCTION
    )
    last = last_move(known)
    since = last.since if last is not None and last.to_version == found.serves else None
    return Held(version=found.serves, since=since, notes=tuple(unsettled(now, known)))


def _resolved(platform: Platform, now: Standing, stage: str) -> Resolution:
    known = ledger.entries(platform.connection, platform.catalog.model)
    return resolve(holder(known, stage), now.staged[stage], now.aliases[stage], stage=stage)


def held_by(platform: Platform, stage: str) -> int | None:
    """The version that goes on in a stage, whether or not all agree on it."""
    return _resolved(platform, platform.models.standing(), stage).serves


def disagreements(platform: Platform) -> list[str]:
    """What ledger, stages and aliases do not agree on, in words; empty when they do. Nothing is written."""
    return unsettled(
        platform.models.standing(), ledger.entries(platform.connection, platform.catalog.model)
    )


def unsettled(now: Standing, known: Sequence[Entry]) -> list[str]:
    """The same of what was read before."""
    found = (
        resolve(holder(known, stage), now.staged[stage], now.aliases[stage], stage=stage)
        for stage in ALIASES
    )
    return [one.words for one in found if one.words]


@dataclass(frozen=True, kw_only=True)
class ReconcileReceipt:
    """What was completed, noticed and put back, and what cannot be settled here."""

    entered: tuple[Entry, ...]
    unsettled: tuple[str, ...]


def reconcile(platform: Platform) -> ReconcileReceipt:
    """Complete an interrupted move, enter what was changed outside, put back an alias that was moved alone."""
    with ledger.alone(platform.connection):
        entered = settle(platform)
        return ReconcileReceipt(entered=tuple(entered), unsettled=tuple(disagreements(platform)))


def settle(platform: Platform) -> list[Entry]:
    """The same for one that holds the lock of the ledger already."""
    entered = list(_completed(platform))
    now = platform.models.standing()
    for stage in ALIASES:
        entry = _noticed(platform, now, stage)
        if entry is not None:
            entered.append(entry)
    known = ledger.entries(platform.connection)
    if is_behind(known, platform.models.standing().head):
        platform.models.set_head(head_of(known[-1]))
    return entered


def _completed(platform: Platform) -> list[Entry]:
    """Make a move that was noted and not entered. The version may be gone by now: then it has failed, and that is entered."""
    move = ledger.intended(platform.connection, platform.catalog.model)
    if move is None or move.version is None:
        return []
    try:
        platform.models.put(move.version, move.stage)
        ended = replace(move, why=f"{move.why} (completed after an interruption)".strip())
    except VersionMissing as exc:
        ended = replace(
            move,
            action="failed",
            why=f"{move.why} (interrupted; {exc.message})".strip(),
            version=None,
        )
    return [_enter(platform, ended)]


def _enter(platform: Platform, move: Move, *, since: datetime | None = None) -> Entry:
    """Enter a move, together with the end of its intent, and tell MLflow of the newest entry."""
    with platform.connection.transaction():
        entry = ledger.append(platform.connection, move, since=since)
        ledger.done(platform.connection, move.model)
    platform.models.set_head(head_of(entry))
    return entry


def _noticed(platform: Platform, now: Standing, stage: str) -> Entry | None:
    """Enter what was changed outside of us, once."""
    known = ledger.entries(platform.connection, platform.catalog.model)
    before = holder(known, stage)
    found = resolve(before, now.staged[stage], now.aliases[stage], stage=stage)
    told = Move(
        who="MLflow",
        model=platform.catalog.model,
        action="outside",
        stage=stage,
        version=found.serves,
        why=found.words,
    )
    if found.found == "moved":
        version = before if found.serves is None else found.serves
        entry = _enter(
            platform, told, since=now.changed.get(version) if version is not None else None
        )
        if now.aliases[stage] != found.serves:
            platform.models.set_alias(stage, found.serves)
        return entry
    if found.found == "alias":
        platform.models.set_alias(stage, found.serves)
        return _enter(platform, replace(told, action="repaired", why=f"{found.words}: put back"))
    if found.found in ("apart", "several"):
        last = [e for e in known if e.stage == stage][-1:]
        if not (last and last[0].action == "unresolved" and last[0].why == found.words):
            return _enter(platform, replace(told, action="unresolved"))
    return None


def move(platform: Platform, wanted: Move) -> Entry:
    """Put a version into a stage and enter it. Call it under `ledger.alone`, after `settle`.

    After a crash between MLflow and the ledger, `settle` completes it.
    """
    assert wanted.version is not None
    ledger.intend(platform.connection, wanted)
    platform.models.put(wanted.version, wanted.stage)
    return _enter(platform, wanted)


def enter(platform: Platform, noted: Move) -> Entry:
    """Enter what moves nothing, such as a refusal. Call it under `ledger.alone`, after `settle`."""
    return _enter(platform, noted)


def who() -> str:
    """Whoever runs this, as the machine knows them."""
    return getpass.getuser()
