"""What each observed step read and wrote, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streamflow.outbound.lineage_events import StepData
from streamflow.platform import Platform
from streamflow.steps.lineage import data_receipts, version_receipts

Arguments = Mapping[str, Any]
Description = Callable[[Platform, Any, Arguments], StepData]


def _describe_nothing(_platform: Platform, _receipt: object, _arguments: Arguments) -> StepData:
    """Describe a step that only calls other steps: these have runs of their own."""
    return StepData()


DESCRIPTIONS: Mapping[str, Description] = {
    "ingest": data_receipts.describe_ingest,
    "snapshot": data_receipts.describe_snapshot,
    "materialize": data_receipts.describe_materialize,
    "forget": data_receipts.describe_forget,
    "prune": data_receipts.describe_prune,
    "training-set": version_receipts.describe_training_set,
    "train": version_receipts.describe_train,
    "promote": version_receipts.describe_promote,
    "rollback": version_receipts.describe_rollback,
    "score": version_receipts.describe_score,
    "monitor": version_receipts.describe_monitor,
    "reproduce": version_receipts.describe_reproduce,
    "retrain": _describe_nothing,
}


def describe_step(step: str, platform: Platform, receipt: object, arguments: Arguments) -> StepData:
    """Return what a step read and wrote.

    Args:
        step: its name.
        platform: the platform with which it was called.
        receipt: what it returned.
        arguments: with which it was called, by the names of its parameters.

    Raises:
        StreamflowError: what was read or written cannot be looked up.
    """
    return DESCRIPTIONS[step](platform, receipt, arguments)
