"""rollback: put the former version back into Production.

Its threshold, calibrator and features come back with it. The ledger says which version it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.core.promotion.ledger import PRODUCTION, rollback_version
from streamflow.core.statistics.threshold import Threshold
from streamflow.errors import VersionMissing
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.observed import observed
from streamflow.steps.serving.serving_version import load_serving_version
from streamflow.steps.stages.requester import COMMAND_LINE, Requester
from streamflow.steps.stages.transitions import (
    move_to_stage,
    reconcile_locked,
    require_seen,
)
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

# So many entries are read at first: nearly always the former version is among them.
FIRST_ENTRIES = 50
MORE_ENTRIES = 8  # the factor by which more are read when they are too few


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


def former_version(platform: Platform) -> int | None:
    """Return the version that a rollback would put back, by the ledger; write nothing."""
    limit = FIRST_ENTRIES
    while True:
        moves = ledger.newest_moves(platform.connection, platform.catalog.model, limit=limit)
        is_whole = len(moves) < limit
        version = rollback_version(reversed(moves), is_whole=is_whole)
        if version is not None or is_whole:
            return version
        limit *= MORE_ENTRIES


@observed("rollback")
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
        version = _require_former_version(platform)
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


def _require_former_version(platform: Platform) -> int:
    """Return the version that was in Production before the present one, by the ledger."""
    version = former_version(platform)
    if version is None:
        raise VersionMissing(
            f"the ledger names no version of {platform.catalog.model} that was in Production "
            "before the present one"
        )
    return version
