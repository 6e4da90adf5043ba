"""promote and rollback: change the version in a stage, and write every decision into the ledger.

`promote` lets the gate decide whether a version takes the champion's place. `rollback` puts the
former version back into Production, with its threshold, calibrator and features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamflow.core.promotion.ledger import PRODUCTION, Entry, rollback_version
from streamflow.core.statistics.threshold import Threshold
from streamflow.errors import VersionMissing
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.promotion.gate import Examination, examine
from streamflow.steps.serving.serving_version import load_serving_version
from streamflow.steps.stages.transitions import (
    Requester,
    enter_without_move,
    move_to_stage,
    reconcile_locked,
    require_seen,
    version_in_stage,
    version_number_in_stage,
)
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

COMMAND_LINE = Requester()
STAGES = {"staging": "Staging", "production": "Production"}


@dataclass(frozen=True, kw_only=True)
class PromoteReceipt(Receipt):
    """The decision about a promotion, and what it changed.

    Attributes:
        decision: "promoted", "refused" or "no change" (the version is in the stage already).
            A dry run says "would be promoted" or "would be refused".
        replaced: The version that was in the stage before; None when the decision replaced none.
        forced: Whether the version was promoted although the gate refused it.
        examination: The result of the gate. None for Staging, which has no gate, and for a
            version that is in Production already.
        seq: The number of the ledger entry; None when the decision wrote none.
    """

    model: str
    version: int
    stage: str
    decision: str
    replaced: int | None
    forced: bool
    examination: Examination | None
    seq: int | None = None

    @property
    def refused(self) -> bool:
        """Whether the gate refused the version, or would refuse it in a dry run."""
        return self.decision in ("refused", "would be refused")


@dataclass(frozen=True, kw_only=True)
class RollbackReceipt(Receipt):
    """The version that a rollback put back into Production.

    Attributes:
        replaced: The version that was in Production before the rollback.
        threshold: The decision threshold of the version that is in Production now; None: it
            flags nobody.
        seq: The number of the ledger entry.
    """

    model: str
    version: int
    replaced: int | None
    threshold: Threshold
    seq: int


def is_reason_missing(why: str, *, force: bool) -> bool:
    """Return whether a promotion needs a reason that was not given: a forced one does."""
    return force and not why.strip()


def promote(
    platform: Platform,
    version: int | None = None,
    *,
    to: str = "production",
    why: str = "",
    force: bool = False,
    dry_run: bool = False,
    requester: Requester = COMMAND_LINE,
) -> PromoteReceipt:
    """Put the challenger into a stage if the gate allows it, and archive the version before it.

    The gate runs before the ledger is locked, so that no other command has to wait. If the
    champion has changed in the meantime, the gate runs once more under the lock.

    Args:
        version: The challenger. Without it, the version in Staging; without one there, the newest.
        to: The stage, "staging" or "production". Staging has no gate.
        why: The reason, for the ledger.
        force: Promote even if the gate refuses. The ledger entry says that it was forced.
        dry_run: Only examine; change nothing.
        requester: Who asks, and which entry of the ledger was the newest that this person saw.

    Raises:
        LedgerChanged: There is a newer entry in the ledger than the requester saw.
        VersionMissing: There is no such version.
        NotRebuildable: This installation has no passport of the version.
        ArtifactUntrusted: The version's files are not the registered ones.
    """
    stage = STAGES[to]
    require_seen(platform, requester)
    candidate = challenger(platform, version)
    incumbent = version_number_in_stage(platform, stage)
    examination = _examine(platform, candidate, incumbent, stage)
    if dry_run:
        return _decide(platform, candidate, incumbent, stage, examination, force, dry_run=True)
    with ledger.lock_ledger(platform.connection):
        reconcile_locked(platform)
        require_seen(platform, requester)
        candidate = platform.models.version(candidate.version)
        if (current := version_number_in_stage(platform, stage)) != incumbent:
            incumbent = current
            examination = _examine(platform, candidate, incumbent, stage)
        receipt = _decide(platform, candidate, incumbent, stage, examination, force)
        entry = _carry_out(platform, receipt, why, requester)
    return replace(receipt, seq=entry.seq) if entry else receipt


def _carry_out(
    platform: Platform,
    receipt: PromoteReceipt,
    why: str,
    requester: Requester,
) -> Entry | None:
    """Move the version if it was promoted, and write the decision into the ledger."""
    promotion = Move(
        who=requester.name,
        model=receipt.model,
        action="promoted",
        stage=receipt.stage,
        version=receipt.version,
        why=why,
        forced=receipt.forced,
        evidence=receipt.examination.evidence if receipt.examination else "",
    )
    if receipt.refused:
        return enter_without_move(platform, replace(promotion, action="refused"))
    if receipt.decision == "promoted":
        return move_to_stage(platform, promotion)
    return None


def _examine(
    platform: Platform,
    candidate: ModelVersion,
    incumbent: int | None,
    stage: str,
) -> Examination | None:
    """Hold the candidate against the gate; None where the gate has nothing to decide."""
    if stage != "Production" or incumbent == candidate.version:
        return None
    if incumbent is None:
        return examine(platform, candidate, None)
    # The registry does not find a champion that somebody has deleted.
    champion = platform.models.find_version(incumbent)
    return examine(platform, candidate, champion)


def _decide(
    platform: Platform,
    candidate: ModelVersion,
    incumbent: int | None,
    stage: str,
    examination: Examination | None,
    force: bool,
    *,
    dry_run: bool = False,
) -> PromoteReceipt:
    """Decide by the examination, and say the decision in a receipt. Nothing is changed yet."""
    gate_passed = examination is None or examination.passed
    allowed = gate_passed or force
    if dry_run:
        decision = "would be promoted" if allowed else "would be refused"
    elif not allowed:
        decision = "refused"
    elif incumbent == candidate.version and _is_alone_in(platform, candidate.version, stage):
        decision = "no change"
    else:
        decision = "promoted"
    is_replacement = decision == "promoted" and incumbent != candidate.version
    return PromoteReceipt(
        model=platform.catalog.model,
        version=candidate.version,
        stage=stage,
        decision=decision,
        replaced=incumbent if is_replacement else None,
        forced=force and not gate_passed,
        examination=examination,
    )


def _is_alone_in(platform: Platform, version: int, stage: str) -> bool:
    """Return whether the stage and its alias both name this version and no different one."""
    registry_state = platform.models.read_stages()
    in_stage = registry_state.versions_by_stage[stage] == [version]
    return in_stage and registry_state.aliased_versions[stage] == version


def challenger(platform: Platform, version: int | None) -> ModelVersion:
    """Return `version`; without it the version in Staging; without one there, the newest.

    Raises:
        VersionMissing: There is no such version, or the model has no version at all.
    """
    if version is not None:
        return platform.models.version(version)
    staged = version_in_stage(platform, "Staging")
    if staged is not None:
        return staged
    versions = platform.models.versions()
    if not versions:
        raise VersionMissing(
            f"{platform.catalog.model} has no version",
            remedy="Run 'streamflow train --as-of D'.",
        )
    return versions[0]


def former_version(platform: Platform) -> int | None:
    """Return the version that a rollback would put back, by the ledger; write nothing."""
    return rollback_version(ledger.entries(platform.connection, platform.catalog.model))


def rollback(
    platform: Platform,
    *,
    why: str = "",
    requester: Requester = COMMAND_LINE,
) -> RollbackReceipt:
    """Put the version back that was in Production before the present one, by the ledger.

    A second rollback goes back one more version. The former version is checked and loaded before
    anything is moved.

    Raises:
        LedgerChanged: There is a newer entry in the ledger than the requester saw.
        VersionMissing: There is no former version, or it was deleted.
        ArtifactUntrusted: Its files were changed.
        NotMigrated: Its features are not defined in this installation.
    """
    model = platform.catalog.model
    with ledger.lock_ledger(platform.connection):
        reconcile_locked(platform)
        require_seen(platform, requester)
        version = rollback_version(ledger.entries(platform.connection, model))
        if version is None:
            raise VersionMissing(
                f"the ledger names no version of {model} that was in Production before the "
                "present one"
            )
        serving = load_serving_version(platform, platform.models.version(version))
        return_move = Move(
            who=requester.name,
            model=model,
            action="rolled back",
            stage=PRODUCTION,
            version=version,
            why=why,
        )
        entry = move_to_stage(platform, return_move)
    return RollbackReceipt(
        model=model,
        version=version,
        replaced=entry.from_version,
        threshold=serving.predictor.threshold,
        seq=entry.seq,
    )
