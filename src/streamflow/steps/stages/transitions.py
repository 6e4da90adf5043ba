"""Change the version in a stage, and notice when somebody changed a stage in MLflow.

No other module changes a stage. A change is noted before it is made in MLflow, and entered into
the ledger after: the next process completes what a killed process left open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from streamflow.core.promotion.ledger import (
    PRODUCTION,
    Entry,
    format_head,
    is_behind,
)
from streamflow.core.promotion.stage_holder import Resolution, resolve_stage_holder
from streamflow.errors import LedgerChanged, VersionMissing
from streamflow.models.registry import ModelVersion
from streamflow.models.stages import ALIAS_BY_STAGE, RegistryStages
from streamflow.platform import Platform
from streamflow.steps.stages.announcements import announce_entry
from streamflow.steps.stages.requester import Requester
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

REMEDY = "Run 'streamflow promote VERSION': it archives the other versions."


def version_in_stage(platform: Platform, stage: str = PRODUCTION) -> ModelVersion | None:
    """Return the version that serves, as the stage decides; write nothing.

    Raises:
        VersionMissing: several versions are in the stage, or the version that serves was deleted.
    """
    standing = platform.models.read_stages()
    resolution = _resolve_stage(standing, _read_last_move(platform, stage), stage)
    if resolution.outcome == "several":
        raise VersionMissing(
            f"{platform.catalog.model}: {resolution.note}",
            remedy=REMEDY,
            versions=standing.versions_by_stage[stage],
        )
    return None if resolution.serves is None else platform.models.version(resolution.serves)


@dataclass(frozen=True, kw_only=True)
class ProductionStatus:
    """The version in Production as the ledger and MLflow see it.

    version   the version that serves; None for none
    entry     the entry of the ledger that put it there; None when the ledger does not have it yet
    notes     what the ledger, the stages and the aliases do not agree on
    """

    version: int | None
    entry: Entry | None
    notes: tuple[str, ...]

    @property
    def since(self) -> datetime | None:
        """Return from when on the version is in Production, by the ledger."""
        return None if self.entry is None else self.entry.since


def production_status(platform: Platform) -> ProductionStatus:
    """Return the version in Production; write nothing, and do not fail on a disagreement.

    The API and the console use this: they go on answering while stages and ledger disagree.
    """
    standing = platform.models.read_stages()
    last_moves = _read_last_moves(platform)
    last_move = last_moves[PRODUCTION]
    serves = _resolve_stage(standing, last_move, PRODUCTION).serves
    is_entered = last_move is not None and last_move.to_version == serves
    notes = tuple(_describe_disagreements(standing, last_moves))
    return ProductionStatus(version=serves, entry=last_move if is_entered else None, notes=notes)


def _read_last_moves(platform: Platform) -> dict[str, Entry | None]:
    """Return for each stage the entry of the ledger that last changed who is in it."""
    return {stage: _read_last_move(platform, stage) for stage in ALIAS_BY_STAGE}


def _read_last_move(platform: Platform, stage: str) -> Entry | None:
    model = platform.catalog.model
    moves = ledger.newest_moves(platform.connection, model, stage=stage, limit=1)
    return moves[0] if moves else None


def _resolve_stage(standing: RegistryStages, last_move: Entry | None, stage: str) -> Resolution:
    """Settle which version serves in a stage by ledger, stage and alias."""
    return resolve_stage_holder(
        None if last_move is None else last_move.to_version,
        standing.versions_by_stage[stage],
        standing.aliased_versions[stage],
        stage=stage,
    )


def version_number_in_stage(platform: Platform, stage: str) -> int | None:
    """Return the version that serves in a stage, whether or not ledger and MLflow agree on it."""
    standing = platform.models.read_stages()
    return _resolve_stage(standing, _read_last_move(platform, stage), stage).serves


def disagreements(platform: Platform) -> list[str]:
    """Describe what the ledger, the stages and the aliases do not agree on; write nothing."""
    return _describe_disagreements(platform.models.read_stages(), _read_last_moves(platform))


def _describe_disagreements(
    standing: RegistryStages,
    last_moves: Mapping[str, Entry | None],
) -> list[str]:
    """Return one text for each stage on which the ledger, the stage and the alias disagree."""
    resolutions = [_resolve_stage(standing, move, stage) for stage, move in last_moves.items()]
    return [resolution.note for resolution in resolutions if resolution.note]


@dataclass(frozen=True, kw_only=True)
class ReconcileReceipt:
    """What was completed, noticed and put back, and what a person has to settle."""

    entered: tuple[Entry, ...]
    unsettled: tuple[str, ...]


def reconcile(platform: Platform) -> ReconcileReceipt:
    """Bring the ledger and MLflow together.

    An interrupted change is completed, a change made in MLflow is entered, and an alias that was
    moved without its stage is put back.
    """
    with ledger.lock_ledger(platform.connection):
        entries = reconcile_locked(platform)
        unsettled = disagreements(platform)
        return ReconcileReceipt(entered=tuple(entries), unsettled=tuple(unsettled))


def reconcile_locked(platform: Platform) -> list[Entry]:
    """Do the work of `reconcile` for a caller that already holds the lock of the ledger."""
    new_entries = list(_complete_interrupted(platform))
    standing = platform.models.read_stages()
    for stage in ALIAS_BY_STAGE:
        entry = _enter_outside_change(platform, standing, stage)
        if entry is not None:
            new_entries.append(entry)
    entries = ledger.entries(platform.connection)
    # An entry that was made above has changed the head in MLflow.
    newest_standing = platform.models.read_stages() if new_entries else standing
    if is_behind(entries, newest_standing.ledger_head):
        platform.models.set_ledger_head(format_head(entries[-1]))
    return new_entries


def _complete_interrupted(platform: Platform) -> list[Entry]:
    """Make a change that was noted but not entered, and enter it.

    If its version was deleted meanwhile, the change has failed, and the failure is entered.
    """
    intended = ledger.pending_move(platform.connection, platform.catalog.model)
    if intended is None or intended.version is None:
        return []
    try:
        platform.models.move_to_stage(intended.version, intended.stage)
        reason = f"{intended.why} (completed after an interruption)"
        completed = replace(intended, why=reason.strip())
    except VersionMissing as exc:
        reason = f"{intended.why} (interrupted; {exc.message})"
        completed = replace(intended, action="failed", why=reason.strip(), version=None)
    return [_enter(platform, completed)]


def _enter(platform: Platform, change: Move, *, since: datetime | None = None) -> Entry:
    """Enter a change, delete its note in one transaction, and tell MLflow the newest entry."""
    with platform.connection.transaction():
        entry = ledger.append(platform.connection, change, since=since)
        announce_entry(platform, entry)
        ledger.delete_pending_move(platform.connection, change.model)
    platform.models.set_ledger_head(format_head(entry))
    return entry


def _enter_outside_change(platform: Platform, standing: RegistryStages, stage: str) -> Entry | None:
    """Enter a change that somebody made in MLflow, once; return None without such a change."""
    models = platform.models
    last_move = _read_last_move(platform, stage)
    resolution = _resolve_stage(standing, last_move, stage)
    situation = resolution.outcome
    serving_version = resolution.serves
    change = Move(
        who="MLflow",
        model=platform.catalog.model,
        action="outside",
        stage=stage,
        version=serving_version,
        why=resolution.note,
    )
    if situation == "moved":
        since = _find_change_time(platform, serving_version, last_move)
        entry = _enter(platform, change, since=since)
        if standing.aliased_versions[stage] != serving_version:
            models.set_alias(stage, serving_version)
        return entry
    if situation == "alias":
        models.set_alias(stage, serving_version)
        repair = replace(change, action="repaired", why=f"{change.why}: put back")
        return _enter(platform, repair)
    if situation == "agreed" or _is_entered(platform, change):
        return None
    return _enter(platform, replace(change, action="unresolved"))


def _find_change_time(
    platform: Platform,
    serving_version: int | None,
    last_move: Entry | None,
) -> datetime | None:
    """Return when MLflow changed a stage: the time of the new version, or of the one that left."""
    former_version = None if last_move is None else last_move.to_version
    number = former_version if serving_version is None else serving_version
    version = None if number is None else platform.models.find_version(number)
    return None if version is None else version.changed


def _is_entered(platform: Platform, change: Move) -> bool:
    """Return whether the stage's newest entry already says that this change is unresolved."""
    entries = ledger.entries(platform.connection, change.model)
    of_stage = [entry for entry in entries if entry.stage == change.stage]
    if not of_stage:
        return False
    newest = of_stage[-1]
    return newest.action == "unresolved" and newest.why == change.why


def move_to_stage(platform: Platform, change: Move) -> Entry:
    """Put a version into a stage and enter it.

    Call it under `ledger.lock_ledger`, after `reconcile_locked`. If this process is killed between
    MLflow and the ledger, the next `reconcile_locked` completes the change.
    """
    assert change.version is not None
    ledger.record_pending_move(platform.connection, change)
    platform.models.move_to_stage(change.version, change.stage)
    return _enter(platform, change)


def enter_without_move(platform: Platform, change: Move) -> Entry:
    """Enter something that changes no stage, such as a refusal.

    Call it under `ledger.lock_ledger`, after `reconcile_locked`.
    """
    return _enter(platform, change)


def require_seen(platform: Platform, requester: Requester) -> None:
    """Refuse a change if the ledger has an entry that its requester has not seen.

    Only under `ledger.lock_ledger`, after `reconcile_locked`, does the answer stay true.

    Raises:
        LedgerChanged: there is such an entry.
    """
    if requester.newest_entry is None:
        return
    entries = ledger.newest_entries(platform.connection, platform.catalog.model, limit=1)
    if not entries or entries[0].seq == requester.newest_entry:
        return
    newest = entries[0]
    version = "no version" if newest.to_version is None else f"version {newest.to_version}"
    raise LedgerChanged(
        f"the ledger has a newer entry than the page showed: entry {newest.seq}, {version}"
        f" {newest.action} for {newest.stage} at {newest.at:%Y-%m-%d %H:%M:%S %Z}"
        f" by {newest.who}",
        entry=newest.seq,
    )
