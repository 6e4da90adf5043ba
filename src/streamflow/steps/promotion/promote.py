"""promote: let the gate decide whether a version takes the champion's place, move it, and write the ledger either way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from streamflow.errors import VersionMissing
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.promotion.gate import Examination, examine
from streamflow.steps.stages.transitions import enter, held_by, move, served, settle, who
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

STAGES = {"staging": "Staging", "production": "Production"}


@dataclass(frozen=True, kw_only=True)
class PromoteReceipt:
    """What was decided, and what stands where now.

    decision     promoted, refused, no change (it is there already), or would be promoted / would be refused of a dry run
    examination  what the gate found; None for Staging, which has no gate, and for a version that is there already
    """

    model: str
    version: int
    stage: str
    decision: str
    replaced: int | None
    forced: bool
    examination: Examination | None

    @property
    def refused(self) -> bool:
        """Whether the gate said no."""
        return self.decision in ("refused", "would be refused")


def promote(
    platform: Platform,
    version: int | None = None,
    *,
    to: str = "production",
    why: str = "",
    force: bool = False,
    dry_run: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> PromoteReceipt:
    """Put the challenger into the stage where the gate lets it; what was there is archived.

    The challenger is `version`, else the one in Staging, else the newest. Staging has no gate. `force` promotes whatever the
    gate says, and is entered as such. The evidence is gathered before others are kept waiting, and again if the champion
    changed meanwhile. Raises VersionMissing, NotRebuildable, ArtifactUntrusted.
    """
    stage, wanted = STAGES[to], challenger(platform, version)
    former = held_by(platform, stage)
    found = _examined(platform, wanted, former, stage, notify)
    if dry_run:
        return _receipt(platform, wanted, former, stage, found, force, dry_run=True)
    with ledger.alone(platform.connection):
        settle(platform)
        wanted = platform.models.version(wanted.version)
        if (now := held_by(platform, stage)) != former:
            former, found = now, _examined(platform, wanted, now, stage, notify)
        receipt = _receipt(platform, wanted, former, stage, found, force)
        told = Move(
            who=who(),
            model=platform.catalog.model,
            action="promoted",
            stage=stage,
            version=wanted.version,
            why=why,
            forced=receipt.forced,
            evidence=found.evidence if found else "",
        )
        if receipt.refused:
            enter(platform, replace(told, action="refused"))
        elif receipt.decision == "promoted":
            move(platform, told)
    return receipt


def _examined(
    platform: Platform,
    wanted: ModelVersion,
    former: int | None,
    stage: str,
    notify: Callable[[str], None],
) -> Examination | None:
    if stage != "Production" or former == wanted.version:
        return None
    champion = (
        platform.models.find(former) if former is not None else None
    )  # it may have been deleted
    return examine(platform, wanted, champion, notify=notify)


def _receipt(
    platform: Platform,
    wanted: ModelVersion,
    former: int | None,
    stage: str,
    found: Examination | None,
    force: bool,
    *,
    dry_run: bool = False,
) -> PromoteReceipt:
    passed = found is None or found.passed or force
    if dry_run:
        decision = "would be promoted" if passed else "would be refused"
    elif not passed:
        decision = "refused"
    else:
        decision = (
            "no change"
            if former == wanted.version and _stands(platform, wanted.version, stage)
            else "promoted"
        )
    return PromoteReceipt(
        model=platform.catalog.model,
        version=wanted.version,
        stage=stage,
        decision=decision,
        replaced=former if decision == "promoted" and former != wanted.version else None,
        forced=force and bool(found and not found.passed),
        examination=found,
    )


def _stands(platform: Platform, version: int, stage: str) -> bool:
    """Whether stage and alias both name this version and no other."""
    now = platform.models.standing()
    return now.staged[stage] == [version] and now.aliases[stage] == version


def challenger(platform: Platform, version: int | None) -> ModelVersion:
    """The version asked for, else the one in Staging, else the newest. Raises VersionMissing."""
    if version is not None:
        return platform.models.version(version)
    found = served(platform, "Staging")
    if found is None:
        versions = platform.models.versions()
        if not versions:
            raise VersionMissing(
                f"{platform.catalog.model} has no version",
                remedy="Run 'streamflow train --as-of D'.",
            )
        found = versions[0]
    return found
