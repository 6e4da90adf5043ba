"""Runs of ours that no registered version comes from, and the removal of their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamflow.models.tracking import OURS, PARENT

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ENDED = ("FINISHED", "FAILED", "KILLED")  # one that runs is left alone


@dataclass(frozen=True, kw_only=True)
class UnneededRun:
    """A run with its artifacts: locations of files, and what they take."""

    run_id: str
    name: str
    status: str
    model_ids: tuple[str, ...]
    locations: tuple[str, ...]
    bytes: int


def unneeded_runs(
    client: MlflowClient, *, name: str, experiment_id: str, ours: Sequence[str]
) -> list[UnneededRun]:
    """The runs of ours that ended and that no version of any registered model comes from.

    Ours are those with our tag, and the run ids `ours`; those of others in the same experiment are never touched.
    """
    runs = _all(lambda token: client.search_runs([experiment_id], page_token=token))
    mine = [
        r
        for r in runs
        if (r.data.tags.get(OURS) == name or r.info.run_id in ours) and r.info.status in ENDED
    ]
    if not mine:
        return []
    versions = versions_of_all(client)
    used = {v.run_id for v in versions} | {v.model_id for v in versions if v.model_id}
    models = _all(lambda token: client.search_logged_models([experiment_id], page_token=token))
    of_run: dict[str, list[Any]] = {}
    for model in models:
        of_run.setdefault(model.source_run_id, []).append(model)
    unneeded = []
    for run in mine:
        made = of_run.get(run.info.run_id, [])
        family = {
            run.info.run_id,
            run.data.tags.get(PARENT, ""),
        }  # what a version was chosen from stays as long as the version
        if not used & (family | {m.model_id for m in made}):
            unneeded.append(_described(run, made))
    return unneeded


def is_known(client: MlflowClient, run_id: str) -> bool:
    """Whether this MLflow has a run; a deleted one it has."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def versions_of_all(client: MlflowClient) -> list[Any]:
    """MLflow's versions of every registered model."""
    return _all(lambda token: client.search_model_versions(page_token=token))


def _all(page: Any) -> list[Any]:
    found, token = [], None
    while True:
        answer = page(token)
        found += answer
        token = answer.token
        if not token:
            return found


def _described(run: Any, models: Iterable[Any]) -> UnneededRun:
    locations = (run.info.artifact_uri, *(m.artifact_location for m in models))
    return UnneededRun(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        model_ids=tuple(m.model_id for m in models),
        locations=locations,
        bytes=sum(_size(_repository(location), None) for location in locations),
    )


def _repository(location: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location)


def _size(repository: Any, path: str | None) -> int:
    """Bytes of all files below a path of an artifact store."""
    entries = repository.list_artifacts(path)
    return sum(
        _size(repository, entry.path) if entry.is_dir else int(entry.file_size or 0)
        for entry in entries
    )


def remove_run(client: MlflowClient, run: UnneededRun) -> None:
    """Delete the files, then mark logged models and run as deleted: `mlflow gc` removes their rows from MLflow's tables."""
    for location in run.locations:
        repository = _repository(location)
        if repository.list_artifacts(None):
            repository.delete_artifacts()
    for model_id in run.model_ids:
        client.delete_logged_model(model_id)
    client.delete_run(run.run_id)
