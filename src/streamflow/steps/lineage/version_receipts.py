"""What the steps on versions read and wrote: train, promote, score, monitor and more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import Passport
from streamflow.outbound.lineage_events import Dataset, StepData
from streamflow.platform import Platform
from streamflow.steps.lineage.datasets import (
    assembled_dataset,
    file_dataset,
    find_described,
    frozen_dataset,
    passport_facets,
    table_dataset,
    training_set_dataset,
    version_dataset,
)
from streamflow.steps.versions.registered_version import RecordedVersion, read_record

if TYPE_CHECKING:
    from streamflow.steps.monitoring.monitor import MonitorReceipt
    from streamflow.steps.promotion.promote import PromoteReceipt
    from streamflow.steps.promotion.rollback import RollbackReceipt
    from streamflow.steps.serving.score import ScoreReceipt
    from streamflow.steps.training.train import TrainReceipt
    from streamflow.steps.versions.reproduce import ReproduceReceipt

Arguments = Mapping[str, Any]


def describe_training_set(platform: Platform, rows: TrainingSet, _: Arguments) -> StepData:
    """Describe the revisions that were read, and the set that was made of them."""
    return StepData(
        inputs=[frozen_dataset(platform, source) for source in rows.all_sources],
        outputs=[assembled_dataset(platform, rows)],
    )


def describe_train(platform: Platform, receipt: TrainReceipt, _: Arguments) -> StepData:
    """Describe the training set with its revisions, and the new version."""
    record = _read_version(platform, receipt.version)
    summary = record.passport.result["training_set"]
    training_set = training_set_dataset(platform, receipt.training_set_digest, summary["rows"])
    return StepData(
        inputs=[*_source_datasets(platform, record.passport), training_set],
        outputs=[version_dataset(platform, record)],
        run_facets=passport_facets(record, platform.catalog.model),
    )


def _read_version(platform: Platform, number: int) -> RecordedVersion:
    """Read the record of a version. Raises ArtifactUntrusted when its passport was changed."""
    return read_record(platform, platform.models.version(number))


def _source_datasets(platform: Platform, passport: Passport) -> list[Dataset]:
    return [frozen_dataset(platform, source) for source in passport.sources]


def describe_promote(platform: Platform, receipt: PromoteReceipt, _: Arguments) -> StepData:
    """Describe the version, and the stage if the version came into it."""
    is_moved = receipt.decision == "promoted"
    return _describe_move(platform, receipt.version, receipt.stage if is_moved else "")


def describe_rollback(platform: Platform, receipt: RollbackReceipt, _: Arguments) -> StepData:
    """Describe the version that is in Production again."""
    return _describe_move(platform, receipt.version, "Production")


def _describe_move(platform: Platform, number: int, stage: str) -> StepData:
    record = _read_version(platform, number)
    return StepData(
        inputs=[version_dataset(platform, record)],
        outputs=[version_dataset(platform, record, stage)] if stage else [],
        run_facets=passport_facets(record, platform.catalog.model),
    )


def describe_score(platform: Platform, receipt: ScoreReceipt, _: Arguments) -> StepData:
    """Describe the revisions and the version, and the probabilities that were written."""
    run = receipt.run
    record = _read_version(platform, run.version)
    revisions = find_described(platform, receipt.revisions)
    outputs = []
    if receipt.new:
        outputs.append(table_dataset(platform, "streamflow.score", run.digest, row_count=run.rows))
    if receipt.out is not None:
        outputs.append(file_dataset(receipt.out, run.digest, run.rows))
    inputs = [frozen_dataset(platform, revision) for revision in revisions]
    return StepData(
        inputs=[*inputs, version_dataset(platform, record)],
        outputs=outputs,
        run_facets=passport_facets(record, platform.catalog.model),
    )


def describe_monitor(platform: Platform, receipt: MonitorReceipt, _: Arguments) -> StepData:
    """Describe both samples and the version, and the report."""
    record = _read_version(platform, receipt.version)
    evidence = receipt.report.evidence
    revisions = find_described(platform, [*evidence.reference, *evidence.current])
    report = table_dataset(platform, "streamflow.monitor_report", evidence.digest)
    inputs = [frozen_dataset(platform, revision) for revision in revisions]
    return StepData(
        inputs=[*inputs, version_dataset(platform, record)],
        outputs=[] if receipt.already else [report],
        run_facets=passport_facets(record, platform.catalog.model),
    )


def describe_reproduce(platform: Platform, receipt: ReproduceReceipt, _: Arguments) -> StepData:
    """Describe the revisions and the version that were compared. Nothing was written."""
    record = _read_version(platform, receipt.version)
    return StepData(
        inputs=[*_source_datasets(platform, record.passport), version_dataset(platform, record)],
        run_facets=passport_facets(record, platform.catalog.model),
    )
