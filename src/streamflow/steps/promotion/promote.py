"""promote: change the version in a stage, and write every decision into the ledger.

The gate decides whether a version takes the champion's place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamflow.core.promotion.ledger import PRODUCTION, Entry
from streamflow.errors import VersionMissing
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.observed import observed
from streamflow.steps.promotion.gate import Examination, examine
from streamflow.steps.stages.requester import COMMAND_LINE, Requester
from streamflow.steps.stages.signing import require_signature_to_answer, sign_version
from streamflow.steps.stages.transitions import (
    enter_without_move,
    move_to_stage,
    reconcile_locked,
    require_seen,
    version_in_stage,
    version_number_in_stage,
)
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

STAGES = {"staging": "Staging", "production": "Production"}


@dataclass(frozen=True, kw_only=True)
class PromoteReceipt(Receipt):
    """The decision about a promotion, and what it changed.

    Attributes:
        decision: "promoted", "refused" or "no change" (the version is in the stage already).
            In place of the first two, a dry run says "would be promoted" or "would be refused".
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
class _Candidacy:
    """A version that shall come into a stage, and what the gate says about it.

    Attributes:
        version: The version that shall come into the stage.
        incumbent: The version that is in the stage; None if there is none.
        examination: The result of the gate; None where the gate has nothing to decide.
    """

    version: ModelVersion
    stage: str
    incumbent: int | None
    examination: Examination | None


def is_reason_missing(why: str, *, force: bool) -> bool:
    """Return whether a promotion needs a reason that was not given: a forced one does."""
    return force and not why.strip()


@observed("promote")
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
    candidacy = _examine(platform, candidate, incumbent, stage)
    if dry_run:
        return _decide(platform, candidacy, force, dry_run=True)
    with ledger.lock_ledger(platform.connection):
        reconcile_locked(platform)
        require_seen(platform, requester)
        candidacy = _read_again(platform, candidacy)
        receipt = _decide(platform, candidacy, force)
        entry = _carry_out(platform, receipt, candidacy.version, why, requester)
    return replace(receipt, seq=entry.seq) if entry else receipt


def _carry_out(
    platform: Platform,
    receipt: PromoteReceipt,
    version: ModelVersion,
    why: str,
    requester: Requester,
) -> Entry | None:
    """Sign and move the version if it was promoted, and write the decision into the ledger.

    A version that is in the stage already is signed, too, if it was not.

    Raises:
        SettingsInvalid: The key that signs versions, or a trusted key, cannot be read.
        ArtifactUntrusted: The version would not answer in Production, because no trusted key
            signed it. In both cases nothing is moved.
    """
    if not receipt.refused:
        sign_version(platform, version)
        if receipt.stage == PRODUCTION:
            require_signature_to_answer(platform, version)
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
) -> _Candidacy:
    """Hold the candidate against the gate, if the gate has something to decide."""
    return _Candidacy(
        version=candidate,
        stage=stage,
        incumbent=incumbent,
        examination=_ask_gate(platform, candidate, incumbent, stage),
    )


def _read_again(platform: Platform, candidacy: _Candidacy) -> _Candidacy:
    """Read version and incumbent again, and ask the gate again if the incumbent has changed."""
    candidate = platform.models.version(candidacy.version.version)
    incumbent = version_number_in_stage(platform, candidacy.stage)
    if incumbent == candidacy.incumbent:
        return replace(candidacy, version=candidate)
    return _examine(platform, candidate, incumbent, candidacy.stage)


def _ask_gate(
    platform: Platform,
    candidate: ModelVersion,
    incumbent: int | None,
    stage: str,
) -> Examination | None:
    """Return the result of the gate; None where the gate has nothing to decide."""
    if stage != "Production" or incumbent == candidate.version:
        return None
    if incumbent is None:
        return examine(platform, candidate, None)
    # The registry does not find a champion that somebody has deleted.
    champion = platform.models.find_version(incumbent)
    return examine(platform, candidate, champion)


def _decide(
    platform: Platform,
    candidacy: _Candidacy,
    force: bool,
    *,
    dry_run: bool = False,
) -> PromoteReceipt:
    """Decide by the examination, and say the decision in a receipt. Nothing is changed yet."""
    number = candidacy.version.version
    incumbent = candidacy.incumbent
    examination = candidacy.examination
    gate_passed = examination is None or examination.passed
    allowed = gate_passed or force
    if not allowed:
        decision = "refused"
    elif incumbent == number and _is_alone_in(platform, number, candidacy.stage):
        decision = "no change"
    else:
        decision = "promoted"
    if dry_run and decision != "no change":
        decision = f"would be {decision}"
    is_replacement = decision == "promoted" and incumbent != number
    return PromoteReceipt(
        model=platform.catalog.model,
        version=number,
        stage=candidacy.stage,
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
