"""Record what a reproduction said, so that the console and 'models VERSION' can show it."""

from __future__ import annotations

from streamflow.platform import Platform
from streamflow.steps.stages.requester import COMMAND_LINE, Requester
from streamflow.steps.versions.reproduce import LevelVerdict, ReproduceReceipt
from streamflow.warehouse import reproductions
from streamflow.warehouse.reproductions import NewReproduction, ReproducedLevel

MAX_DIFFERENCES = 3
# The differences of this level name users, so they are counted only.
DATA_LEVEL = "data"


def record_reproduction(
    platform: Platform,
    receipt: ReproduceReceipt,
    requester: Requester = COMMAND_LINE,
) -> None:
    """Append the verdict of a reproduction to those of this installation."""
    reproductions.record_reproduction(
        platform.connection,
        NewReproduction(
            who=requester.name,
            model=receipt.model,
            version=receipt.version,
            run_id=receipt.run_id,
            code=receipt.code,
            result=receipt.result,
            holds=receipt.holds,
            levels=[_level_of(level) for level in receipt.levels],
        ),
    )


def _level_of(level: LevelVerdict) -> ReproducedLevel:
    shown = () if level.name == DATA_LEVEL else level.differences[:MAX_DIFFERENCES]
    return ReproducedLevel(
        name=level.name,
        verdict=level.verdict,
        differences=tuple(str(difference) for difference in shown),
        count=level.count,
    )
