"""The names and versions of what streamflow reads and writes, as OpenLineage datasets.

The version of a dataset is always a digest of its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.column import Column
from streamflow.core.training.training_set import Source, describe_revision
from streamflow.files.remote_drops import find_address
from streamflow.outbound.lineage_events import Dataset, make_facet, make_own_facet
from streamflow.platform import Platform
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision

if TYPE_CHECKING:
    from streamflow.core.training.training_set import TrainingSet
    from streamflow.steps.versions.registered_version import RecordedVersion

REVISION = "streamflow_revision"
PASSPORT = "streamflow_passport"


def table_dataset(
    platform: Platform,
    table: str,
    version: str,
    *,
    columns: Mapping[str, Column] | None = None,
    row_count: int | None = None,
    facets: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a table of the database; `table` is `schema.name`."""
    types = {name: str(column.type) for name, column in (columns or {}).items()}
    return Dataset(
        namespace=_name_server(platform),
        name=f"{platform.login.database}.{table}",
        version=version,
        columns=types,
        row_count=row_count,
        facets=facets or {},
    )


def _name_server(platform: Platform) -> str:
    """Return the namespace of tables, as OpenLineage names a PostgreSQL.

    The embedded server has no address, so its tables are in the namespace of the settings.
    """
    if platform.attachment is not None:
        return platform.settings.lineage_namespace
    parameters = platform.login.parameters
    host = parameters.get("host", "localhost")
    if host.startswith("/"):
        host = "localhost"  # a folder of sockets
    return f"postgres://{host}:{parameters.get('port', '5432')}"


def frozen_dataset(
    platform: Platform, revision: Revision | Source, *, change: str = "", version: str = ""
) -> Dataset:
    """Return a revision of a frozen table.

    Args:
        platform: the open platform
        revision: the revision
        change: what was done to rows that were frozen before, "erased" or "removed"; empty: nothing
        version: the digest, where it is not the one of `revision`
    """
    facets = {
        REVISION: make_own_facet(
            "StreamflowRevisionDatasetFacet",
            asOf=revision.as_of.isoformat(),
            revision=revision.revision,
            knownAt=revision.known_at.isoformat(),
            change=change or "none",
        )
    }
    if change:
        facets["lifecycleStateChange"] = make_facet(
            "1-0-1/LifecycleStateChangeDatasetFacet", lifecycleStateChange="ALTER"
        )
    catalog = platform.catalog
    is_known = revision.table in catalog.frozen_tables
    return table_dataset(
        platform,
        f"frozen.{revision.table}",
        version or revision.digest,
        columns=catalog.columns(revision.table) if is_known else None,
        row_count=revision.rows,
        facets=facets,
    )


def find_described(platform: Platform, descriptions: Iterable[str]) -> list[Revision]:
    """Return the revisions that a receipt describes in words; one that is gone is left out."""
    distinct_descriptions = set(descriptions)
    return [
        revision
        for key, revision in frozen.revisions_by_key(platform.connection).items()
        if describe_revision(*key) in distinct_descriptions
    ]


def file_dataset(path: Path, version: str, row_count: int | None = None) -> Dataset:
    """Return a file of this machine, or of an object store."""
    address = find_address(path)
    if address is not None and address.startswith("s3://"):
        bucket, _, key = address.removeprefix("s3://").partition("/")
        return Dataset(namespace=f"s3://{bucket}", name=key, version=version, row_count=row_count)
    name = str(path.absolute())
    return Dataset(namespace="file", name=name, version=version, row_count=row_count)


def training_set_dataset(platform: Platform, digest: str, row_count: int) -> Dataset:
    """Return the training set with a digest."""
    return Dataset(
        namespace=platform.settings.lineage_namespace,
        name=f"training_sets.{platform.catalog.model}",
        version=digest,
        row_count=row_count,
    )


def assembled_dataset(platform: Platform, rows: TrainingSet) -> Dataset:
    """Return a training set with its columns."""
    dataset = training_set_dataset(platform, rows.digest, rows.row_count)
    names = (rows.key, *rows.features, rows.label)
    columns = {name: str(rows.types[name]) for name in names}
    return Dataset(**{**vars(dataset), "columns": columns})


def version_dataset(platform: Platform, record: RecordedVersion, stage: str = "") -> Dataset:
    """Return a model version, or what is in a stage; the digest is that of the passport."""
    ending = f".{stage}" if stage else ""
    return Dataset(
        namespace=platform.settings.lineage_namespace,
        name=f"models.{platform.catalog.model}{ending}",
        version=record.passport_digest,
    )


def passport_facets(record: RecordedVersion, model: str) -> dict[str, Any]:
    """Return the facet of a run that has the passport of a version. It names no person."""
    facet = make_own_facet(
        "StreamflowPassportRunFacet",
        model=model,
        version=record.version.version,
        runId=record.version.run_id,
        passportDigest=record.passport_digest,
        passport=record.passport.values,
    )
    return {PASSPORT: facet}
