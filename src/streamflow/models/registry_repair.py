"""Find and undo what a person did in MLflow's page that separates our versions from their names.

MLflow lets anybody rename a registered model, delete an experiment, or delete the run of a version.
Nothing is lost by that until `mlflow gc`, so all of it can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of
from streamflow.core.versions.version_files import MODEL
from streamflow.errors import ModelRenamed
from streamflow.models.run_tags import MODEL_TAG
from streamflow.models.version_search import (
    read_all_pages,
    search_registered_models,
    search_versions,
    search_versions_of_all_models,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True, kw_only=True)
class RegistryProblems:
    """What separates versions from their names in MLflow.

    Attributes:
        present_name: The name that the registered model has now. Empty when it was not renamed.
        deleted_experiment: The id of our experiment. Empty when it was not deleted.
        deleted_runs: The ids of the deleted runs that versions come from.
    """

    present_name: str = ""
    deleted_experiment: str = ""
    deleted_runs: tuple[str, ...] = ()

    def describe(self, name: str, experiment: str) -> list[str]:
        """Describe each problem. The list is empty when there is none."""
        texts = []
        if self.present_name:
            texts.append(f"the registered model '{name}' was renamed to '{self.present_name}'")
        if self.deleted_experiment:
            texts.append(f"the experiment '{experiment}' was deleted")
        if self.deleted_runs:
            texts.append(f"{count_of(len(self.deleted_runs), 'run')} of versions deleted")
        return texts


def find_problems(client: MlflowClient, name: str, experiment: str) -> RegistryProblems:
    """Find what separates the versions of a model from their names; change nothing."""
    present_name = find_present_name(client, name)
    stored = client.get_experiment_by_name(experiment)
    is_deleted = stored is not None and stored.lifecycle_stage != "active"
    deleted_runs: list[str] = []
    if stored is not None and not is_deleted:
        run_ids = {version.run_id for version in search_versions(client, present_name or name)}
        deleted_runs = sorted(run_ids & _list_deleted_runs(client, stored.experiment_id))
    return RegistryProblems(
        present_name=present_name,
        deleted_experiment=stored.experiment_id if stored is not None and is_deleted else "",
        deleted_runs=tuple(deleted_runs),
    )


def _list_deleted_runs(client: MlflowClient, experiment_id: str) -> set[str]:
    """Return the ids of the deleted runs of an experiment."""
    from mlflow.entities import ViewType

    runs = read_all_pages(
        lambda token: client.search_runs(
            [experiment_id],
            run_view_type=ViewType.DELETED_ONLY,
            page_token=token,
        )
    )
    return {run.info.run_id for run in runs}


def find_present_name(client: MlflowClient, name: str) -> str:
    """Return the name to which the registered model was renamed.

    Our runs keep the name of the model for which they were made. A model was renamed if it has no
    version, and a version of a different model comes from such a run and has our tags.

    Returns:
        An empty text when the model was not renamed.
    """
    if search_versions(client, name):
        return ""
    for version in search_versions_of_all_models(client):
        is_copy = version.source.startswith(f"models:/{name}/")
        if is_copy or not version.run_id or MODEL.tag not in version.tags:
            continue
        if _read_model_of_run(client, version.run_id) == name:
            present_name: str = version.name
            return present_name
    return ""


def _read_model_of_run(client: MlflowClient, run_id: str) -> str | None:
    """Return the model for which a run was made; None if nothing says so or the run is gone."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    model: str | None = run.data.tags.get(MODEL_TAG)
    return model


def refuse_renamed_model(client: MlflowClient, name: str) -> None:
    """Raise ModelRenamed if the registered model has a different name now."""
    present_name = find_present_name(client, name)
    if present_name:
        raise ModelRenamed(
            f"the registered model '{name}' was renamed in MLflow to '{present_name}'",
            name=name,
            present_name=present_name,
        )


def undo(client: MlflowClient, name: str, problems: RegistryProblems) -> list[str]:
    """Undo the problems that were found, and return what was done, in words."""
    repairs = []
    if problems.deleted_experiment:
        client.restore_experiment(problems.deleted_experiment)
        repairs.append("restored the experiment in MLflow")
    if problems.present_name:
        # An empty model that stands in the place would block the way back.
        if search_registered_models(client, name) and not search_versions(client, name):
            client.delete_registered_model(name)
        client.rename_registered_model(problems.present_name, name)
        repairs.append(f"renamed the registered model '{problems.present_name}' back to '{name}'")
    for run_id in problems.deleted_runs:
        client.restore_run(run_id)
    if problems.deleted_runs:
        repairs.append(f"restored {count_of(len(problems.deleted_runs), 'run')} in MLflow")
    return repairs
