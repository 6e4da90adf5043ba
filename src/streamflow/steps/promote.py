"""promote: let the gate decide whether a version takes the champion's place, move it, and write the ledger either way."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass

from streamflow.errors import VersionMissing
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.gate import Examination, examine
from streamflow.warehouse import ledger

STAGES = {"staging": "Staging", "production": "Production"}


@dataclass(frozen=True, kw_only=True)
class PromoteReceipt:
    """What was decided, and what stands where now.

    decision     promoted, refused, no change (it is there already), or would be promoted / would be refused of a dry run
    examination  what the gate found; None for Staging, which has no gate
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
    gate says, and is written down as such. One at a time; raises VersionMissing, NotRebuildable, ArtifactUntrusted.
    """
    stage = STAGES[to]
    with ledger.alone(platform.connection):
        wanted, former = challenger(platform, version), platform.models.in_stage(stage)
        found = None
        if stage == "Production" and not (former and former.version == wanted.version):
            found = examine(platform, wanted, former, notify=notify)
        passed = found is None or found.passed or force
        replaced = former.version if former and former.version != wanted.version else None
        if dry_run:
            decision = "would be promoted" if passed else "would be refused"
        elif not passed:
            decision = "refused"
        else:
            platform.models.put(wanted.version, stage)
            entry = ledger.Promotion(
                who=getpass.getuser(),
                model=platform.catalog.model,
                version=wanted.version,
                stage=stage,
                replaced=replaced,
                forced=force,
                why=why,
            )
            ledger.record(platform.connection, entry)
            decision = "promoted"
    return PromoteReceipt(
        model=platform.catalog.model,
        version=wanted.version,
        stage=stage,
        decision=decision,
        replaced=replaced if decision == "promoted" else None,
        forced=force and bool(found and not found.passed),
        examination=found,
    )


def challenger(platform: Platform, version: int | None) -> ModelVersion:
    """The version asked for, else the one in Staging, else the newest. Raises VersionMissing."""
    if version is not None:
        return platform.models.version(version)
    found = platform.models.in_stage("Staging")
    if found is None:
        versions = platform.models.versions()
        if not versions:
            raise VersionMissing(f"{platform.catalog.model} has no version", remedy="Run 'streamflow train --as-of D'.")
        found = versions[0]
    return found
