"""rollback: put the former version back into Production, with its threshold, calibrator and features."""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.core.promotion.ledger import PRODUCTION, former
from streamflow.errors import VersionMissing
from streamflow.platform import Platform
from streamflow.steps.serving.predict import serving_of
from streamflow.steps.stages.transitions import move, settle, who
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move


@dataclass(frozen=True, kw_only=True)
class RollbackReceipt:
    """What stands in Production now, and what stood there before. `threshold` is that of the version that is back."""

    model: str
    version: int
    replaced: int | None
    threshold: float
    seq: int


def rollback(platform: Platform, *, why: str = "") -> RollbackReceipt:
    """Put back the version before the one in Production, by the ledger; once more, and the one before that.

    It must be whole: its files are checked and loaded before anything is moved. Raises VersionMissing when there is none or it
    was deleted, ArtifactUntrusted when its files were changed, NotMigrated when its features are not defined here.
    """
    model = platform.catalog.model
    with ledger.alone(platform.connection):
        settle(platform)
        version = former(ledger.entries(platform.connection, model))
        if version is None:
            raise VersionMissing(
                f"the ledger knows no version of {model} that was in Production before the present one"
            )
        serving = serving_of(platform, platform.models.version(version))
        told = Move(
            who=who(), model=model, action="rolled back", stage=PRODUCTION, version=version, why=why
        )
        entry = move(platform, told)
    return RollbackReceipt(
        model=model,
        version=version,
        replaced=entry.from_version,
        threshold=serving.predictor.threshold,
        seq=entry.seq,
    )
