"""The JSON of OpenLineage events: https://openlineage.io/spec/2-0-2/OpenLineage.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from streamflow import __version__

EventType = Literal["START", "COMPLETE", "FAIL", "ABORT"]
Facets = Mapping[str, Any]

SPECIFICATION = "https://openlineage.io/spec"
RUN_EVENT = f"{SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent"
# The schemas of our own facets are files of this repository, below the folder docs. The project
# has no public address yet, so the host is one that cannot exist.
DOCUMENTATION = "https://streamflow.invalid/docs"
PRODUCER = f"https://streamflow.invalid/{__version__}"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset that a step read or wrote.

    version    the digest of its content
    columns    column -> its type; empty: they are not known
    row_count  None: it is not known
    facets     more facets by name; each was made by `make_facet` or `make_own_facet`
    """

    namespace: str
    name: str
    version: str
    columns: Mapping[str, str] = field(default_factory=dict)
    row_count: int | None = None
    facets: Facets = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """One run of a step. `parent` is the run of the step that called it."""

    run_id: str
    namespace: str
    job: str
    parent: StepRun | None = None


@dataclass(frozen=True, kw_only=True)
class StepData:
    """What a step read and wrote, and facets of its run."""

    inputs: Sequence[Dataset] = ()
    outputs: Sequence[Dataset] = ()
    run_facets: Facets = field(default_factory=dict)


def make_facet(schema: str, **values: Any) -> dict[str, Any]:
    """Return a facet of the standard; `schema` is the version and the name of its schema."""
    name = schema.rpartition("/")[2]
    address = f"{SPECIFICATION}/facets/{schema}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": address, **values}


def make_own_facet(name: str, **values: Any) -> dict[str, Any]:
    """Return a facet whose schema is a file of docs/lineage/1-0-0."""
    address = f"{DOCUMENTATION}/lineage/1-0-0/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": address, **values}


def make_event(kind: EventType, at: datetime, run: StepRun, data: StepData) -> dict[str, Any]:
    """Return an event of a run. `at` is an aware instant."""
    job_type = make_facet(
        "2-0-4/JobTypeJobFacet",
        processingType="BATCH",
        integration="STREAMFLOW",
        jobType="STEP",
    )
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "run": {"runId": run.run_id, "facets": {**_run_facets(run), **data.run_facets}},
        "job": {"namespace": run.namespace, "name": run.job, "facets": {"jobType": job_type}},
        "inputs": [_write_input(dataset) for dataset in data.inputs],
        "outputs": [_write_output(dataset) for dataset in data.outputs],
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
    }


def make_error_facet(error: BaseException) -> dict[str, Any]:
    """Return the facet of an error: its class alone, because its message may quote a person."""
    return make_facet(
        "1-0-1/ErrorMessageRunFacet",
        message=type(error).__name__,
        programmingLanguage="PYTHON",
    )


def _run_facets(run: StepRun) -> dict[str, Any]:
    engine = make_facet("1-1-1/ProcessingEngineRunFacet", version=__version__, name="streamflow")
    facets = {"processing_engine": engine}
    if run.parent is not None:
        facets["parent"] = make_facet(
            "1-2-0/ParentRunFacet",
            run={"runId": run.parent.run_id},
            job={"namespace": run.parent.namespace, "name": run.parent.job},
        )
    return facets


def _write_dataset(dataset: Dataset) -> dict[str, Any]:
    facets: dict[str, Any] = dict(dataset.facets)
    facets["version"] = make_facet(
        "1-0-1/DatasetVersionDatasetFacet", datasetVersion=dataset.version
    )
    if dataset.columns:
        fields = [{"name": name, "type": kind} for name, kind in dataset.columns.items()]
        facets["schema"] = make_facet("1-2-0/SchemaDatasetFacet", fields=fields)
    return {"namespace": dataset.namespace, "name": dataset.name, "facets": facets}


def _write_input(dataset: Dataset) -> dict[str, Any]:
    facets = {}
    if dataset.row_count is not None:
        facets["inputStatistics"] = make_facet(
            "1-0-0/InputStatisticsInputDatasetFacet", rowCount=dataset.row_count
        )
    return {**_write_dataset(dataset), "inputFacets": facets}


def _write_output(dataset: Dataset) -> dict[str, Any]:
    facets = {}
    if dataset.row_count is not None:
        facets["outputStatistics"] = make_facet(
            "1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=dataset.row_count
        )
    return {**_write_dataset(dataset), "outputFacets": facets}
