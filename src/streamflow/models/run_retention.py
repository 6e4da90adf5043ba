"""Find and remove runs of ours that no registered version comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamflow.models.run_tags import MODEL_TAG, PARENT_TAG
from streamflow.models.version_search import read_all_pages, search_versions_of_all_models

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ENDED = ("FINISHED", "FAILED", "KILLED")  # a run in progress is not touched


@dataclass(frozen=True, kw_only=True)
class UnneededRun:
    """A run that no version comes from, with its models.

    Attributes:
        run_id: MLflow's id.
        name: the name of the run.
        status: one of ENDED.
        model_ids: the logged models of the run.
        locations: where the files of the run and of its models are.
        bytes: the size of these files.
    """

    run_id: str
    name: str
    status: str
    model_ids: tuple[str, ...]
    locations: tuple[str, ...]
    bytes: int


def unneeded_runs(
    client: MlflowClient,
    *,
    name: str,
    experiment_id: str,
    our_run_ids: Sequence[str],
) -> list[UnneededRun]:
    """Return our ended runs that no version of any registered model comes from.

    A run is ours if it has our tag or is in `our_run_ids`. Runs of different origin in the
    same experiment are never touched.
    """
    runs = read_all_pages(lambda token: client.search_runs([experiment_id], page_token=token))
    our_runs = [
        run
        for run in runs
        if (run.data.tags.get(MODEL_TAG) == name or run.info.run_id in our_run_ids)
        and run.info.status in ENDED
    ]
    if not our_runs:
        return []
    used_ids = _read_used_ids(client)
    models_by_run = _read_models_by_run(client, experiment_id)
    unneeded = []
    for run in our_runs:
        models = models_by_run.get(run.info.run_id, [])
        # The candidates that a version was chosen from stay as long as the version.
        parent_id = run.data.tags.get(PARENT_TAG, "")
        ids = {run.info.run_id, parent_id} | {model.model_id for model in models}
        if not used_ids & ids:
            unneeded.append(_create_unneeded_run(run, models))
    return unneeded


def _read_used_ids(client: MlflowClient) -> set[str]:
    """Return the ids of all runs and logged models that a version comes from."""
    versions = search_versions_of_all_models(client)
    run_ids = {version.run_id for version in versions}
    return run_ids | {version.model_id for version in versions if version.model_id}


def _read_models_by_run(client: MlflowClient, experiment_id: str) -> dict[str, list[Any]]:
    """Return run id -> the logged models of the run."""
    models = read_all_pages(
        lambda token: client.search_logged_models([experiment_id], page_token=token)
    )
    models_by_run: dict[str, list[Any]] = {}
    for model in models:
        models_by_run.setdefault(model.source_run_id, []).append(model)
    return models_by_run


def is_known(client: MlflowClient, run_id: str) -> bool:
    """Whether this MLflow has a run. A deleted run counts as one that it has."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _create_unneeded_run(run: Any, models: Sequence[Any]) -> UnneededRun:
    """Create an UnneededRun from MLflow's run and its logged models."""
    locations = (run.info.artifact_uri, *(model.artifact_location for model in models))
    return UnneededRun(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        model_ids=tuple(model.model_id for model in models),
        locations=locations,
        bytes=sum(_measure(_open_repository(location), None) for location in locations),
    )


def _open_repository(location: str) -> Any:
    """Open MLflow's repository of artifacts at a location."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location)


def _measure(repository: Any, path: str | None) -> int:
    """Return the size, in bytes, of all files below a path of a repository."""
    total = 0
    for entry in repository.list_artifacts(path):
        total += _measure(repository, entry.path) if entry.is_dir else int(entry.file_size or 0)
    return total


def remove_run(client: MlflowClient, run: UnneededRun) -> None:
    """Delete the files of a run, then mark its logged models and the run as deleted.

    `mlflow gc` later removes their rows from MLflow's tables.
    """
    for location in run.locations:
        repository = _open_repository(location)
        if repository.list_artifacts(None):
            repository.delete_artifacts()
    for model_id in run.model_ids:
        client.delete_logged_model(model_id)
    client.delete_run(run.run_id)
