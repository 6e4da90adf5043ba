"""The experiment of our runs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from streamflow.errors import StreamflowError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def experiment_id(client: MlflowClient, name: str, *, artifact_root: str | None) -> str:
    """The id of the experiment, made when it is not there. Raises StreamflowError when it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = f"{artifact_root.rstrip('/')}/{name}" if artifact_root else None
        with suppress(MlflowException):  # another run has just made it
            client.create_experiment(name, artifact_location=location)
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise StreamflowError(
            f"the MLflow experiment '{name}' was deleted",
            remedy="Restore it in MLflow, or name another with STREAMFLOW_EXPERIMENT.",
        )
    number: str = found.experiment_id
    return number
