"""Find or create the MLflow experiment of our runs, and the registered model."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from streamflow.errors import StreamflowError
from streamflow.models.registry_repair import refuse_renamed_model

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def ensure_experiment(client: MlflowClient, name: str, *, artifact_root: str | None) -> str:
    """Return the id of the experiment, and create the experiment when it does not exist.

    Args:
        client: the connection to MLflow.
        name: the name of the experiment.
        artifact_root: where a new experiment stores its artifacts. None: MLflow decides.

    Raises:
        StreamflowError: the experiment was deleted.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = f"{artifact_root.rstrip('/')}/{name}" if artifact_root else None
        with suppress(MlflowException):  # a concurrent run has created it a moment ago
            client.create_experiment(name, artifact_location=location)
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise StreamflowError(
            f"the MLflow experiment '{name}' was deleted",
            remedy="Run 'streamflow doctor --fix', which restores it, or set STREAMFLOW_EXPERIMENT"
            " to a different name.",
        )
    experiment_id: str = experiment.experiment_id
    return experiment_id


def ensure_registered_model(client: MlflowClient, name: str) -> None:
    """Create the registered model, unless it exists already.

    Raises:
        ModelRenamed: it exists under a different name.
    """
    from mlflow.exceptions import MlflowException

    refuse_renamed_model(client, name)
    try:
        client.create_registered_model(name)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
