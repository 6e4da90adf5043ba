"""Upload an MLflow model as an output of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.models.mlflow_model import address_package

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def upload_model(
    client: MlflowClient,
    package: Path,
    *,
    experiment_id: str,
    run_id: str,
    params: Mapping[str, str],
    name: str,
) -> str:
    """Upload an MLflow model as an output of a run, and return the id of the model.

    A failure or Ctrl-C marks the model FAILED.

    Args:
        client: the connection to MLflow.
        package: the folder of the MLflow model; it gets the address of the new model.
        experiment_id: the experiment of the run.
        run_id: the run.
        params: the parameters of the run, which the model shows too.
        name: the name of the registered model.
    """
    from mlflow.entities import LoggedModelOutput

    model = client.create_logged_model(
        experiment_id,
        name=name,
        source_run_id=run_id,
        params=dict(params),
    )
    model_id: str = model.model_id
    try:
        address_package(package, model_id=model_id, run_id=run_id, location=model.artifact_location)
        client.log_model_artifacts(model_id, str(package))
    except BaseException:
        client.finalize_logged_model(model_id, "FAILED")
        raise
    client.finalize_logged_model(model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id
