"""What the steps on data read and wrote: ingest, snapshot, materialize, forget, prune."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from streamflow.core.data.instants import instant_of_day
from streamflow.database.known_at import current_known_at
from streamflow.outbound.lineage_events import Dataset, StepData
from streamflow.platform import Platform
from streamflow.steps.lineage.datasets import file_dataset, frozen_dataset, table_dataset
from streamflow.warehouse import drops, frozen
from streamflow.warehouse.frozen import Revision

if TYPE_CHECKING:
    from streamflow.steps.data.forget import ForgetReceipt
    from streamflow.steps.data.ingest import IngestReceipt
    from streamflow.steps.data.materialize import MaterializeReceipt
    from streamflow.steps.data.snapshot import SnapshotReceipt
    from streamflow.steps.upkeep.prune import PruneReceipt
    from streamflow.warehouse.drops import DeliveredFile

Arguments = Mapping[str, Any]


def describe_ingest(platform: Platform, receipt: IngestReceipt, arguments: Arguments) -> StepData:
    """Describe the files that were read, and the raw tables that were written."""
    folder = arguments["folder"]
    return StepData(
        inputs=[file_dataset(folder / file.file, file.sha256) for file in receipt.files],
        outputs=[_raw_dataset(platform, file) for file in receipt.files if receipt.changed],
    )


def _raw_dataset(platform: Platform, file: DeliveredFile) -> Dataset:
    """Return a raw table; its version is the digest of the file that it was loaded from."""
    return table_dataset(
        platform,
        f"raw.{file.table}",
        file.sha256,
        columns=platform.catalog.file_columns(file.table),
        row_count=file.rows,
    )


def describe_snapshot(
    platform: Platform, receipt: SnapshotReceipt, arguments: Arguments
) -> StepData:
    """Describe the raw tables that were read, and the new revisions."""
    as_of: datetime = arguments["as_of"]
    delivered = drops.delivered_files(platform.connection, as_of).get(as_of, {})
    revisions = _find_revisions(platform, as_of)
    created = [table.table for table in receipt.tables if table.created]
    return StepData(
        inputs=[_raw_dataset(platform, file) for file in delivered.values()],
        outputs=[frozen_dataset(platform, revisions[table]) for table in created],
    )


def _find_revisions(platform: Platform, as_of: datetime) -> dict[str, Revision]:
    """Return the newest revision of each table of a drop."""
    known_at = current_known_at(platform.connection)
    newest = frozen.revisions(platform.connection, known_at=known_at, first=as_of, last=as_of)
    return {revision.table: revision for revision in newest}


def describe_materialize(
    platform: Platform, receipt: MaterializeReceipt, _arguments: Arguments
) -> StepData:
    """Describe the revisions that were copied, and the live tables.

    A live table has the version of the revision that it is a copy of. A view that the catalog no
    longer has was emptied, and is left out.
    """
    revisions = _find_revisions(platform, instant_of_day(receipt.as_of))
    views = platform.catalog.views
    outputs = []
    tables = set()
    for live in receipt.views:
        if live.view not in views:
            continue
        table = views[live.view].table
        tables.add(table)
        features = platform.catalog.features_of(live.view)
        outputs.append(
            table_dataset(
                platform,
                f"online.{live.view}",
                revisions[table].digest,
                columns={feature.name: feature.column for feature in features},
                row_count=live.rows,
            )
        )
    inputs = [frozen_dataset(platform, revisions[table]) for table in sorted(tables)]
    return StepData(inputs=inputs, outputs=outputs)


def describe_forget(platform: Platform, receipt: ForgetReceipt, _arguments: Arguments) -> StepData:
    """Describe the revisions from which a key was erased. Neither key nor reason is told."""
    revisions = frozen.revisions_by_key(platform.connection)
    inputs = []
    outputs = []
    for erased in receipt.erased:
        revision = revisions[erased.table, erased.as_of, erased.revision]
        inputs.append(frozen_dataset(platform, revision, version=erased.old_digest))
        outputs.append(
            frozen_dataset(platform, revision, change="erased", version=erased.new_digest)
        )
    return StepData(inputs=inputs, outputs=outputs)


def describe_prune(platform: Platform, receipt: PruneReceipt, _arguments: Arguments) -> StepData:
    """Describe the revisions that were removed; a dry run removes none."""
    removed = () if receipt.dry_run else receipt.revisions
    outputs = [frozen_dataset(platform, revision, change="removed") for revision in removed]
    return StepData(outputs=outputs)
