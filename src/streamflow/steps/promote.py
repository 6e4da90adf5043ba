"""promote: put a model version into a stage, and write the ledger."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

from streamflow.platform import Platform
from streamflow.warehouse import ledger

STAGES = {"staging": "Staging", "production": "Production"}


@dataclass(frozen=True, kw_only=True)
class PromoteReceipt:
    """What stands where now."""

    model: str
    version: int
    stage: str
    replaced: int | None
    forced: bool


def promote(platform: Platform, version: int, *, to: str = "production", why: str = "", force: bool = False) -> PromoteReceipt:
    """Put `version` into the stage; the version that was there is archived.

    One at a time: two at once could leave two versions in the stage. Doing it again changes nothing in the registry, and is
    written to the ledger all the same. Raises VersionMissing.
    """
    stage = STAGES[to]
    with ledger.alone(platform.connection):
        wanted, former = platform.models.version(version), platform.models.in_stage(stage)
        platform.models.put(wanted.version, stage)
        replaced = former.version if former and former.version != version else None
        who, model = getpass.getuser(), platform.catalog.model
        entry = ledger.Promotion(who=who, model=model, version=version, stage=stage, replaced=replaced, forced=force, why=why)
        ledger.record(platform.connection, entry)
    return PromoteReceipt(model=entry.model, version=version, stage=stage, replaced=replaced, forced=force)
