"""Download files from MLflow's artifact store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.errors import ArtifactUntrusted

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def fetch(tracking_uri: str, folder: Path, *, failure: str, **artifact: str) -> Path:
    """Download a file or folder to a path below `folder`, and return this path.

    Args:
        tracking_uri: the address of MLflow.
        folder: the folder to download to.
        failure: the beginning of the message if the download fails; it names the artifact.
        artifact: MLflow's name of the artifact: artifact_uri, or run_id for all files of a run.

    Raises:
        ArtifactUntrusted: the artifact cannot be downloaded.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        path = mlflow.artifacts.download_artifacts(
            **artifact,
            dst_path=str(folder),
            tracking_uri=tracking_uri,
        )
    except (MlflowException, OSError) as exc:
        raise ArtifactUntrusted(f"{failure}: {exc}") from exc
    return Path(path)


def find_run_location(client: MlflowClient, run_id: str, *, failure: str) -> str:
    """Return where the artifacts of a run are.

    MLflow can also download an artifact by run id and path. It then looks for a model of this name
    too, which takes several times as long, and would put the model's file in place of the run's.

    Args:
        client: the connection to MLflow.
        run_id: the run.
        failure: the beginning of the message if the run cannot be found.

    Raises:
        ArtifactUntrusted: there is no such run.
    """
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run_id).info.artifact_uri).rstrip("/")
    except MlflowException as exc:
        raise ArtifactUntrusted(f"{failure}: {exc}") from exc
