"""Download files from MLflow's artifact store."""

from __future__ import annotations

from pathlib import Path

from streamflow.errors import ArtifactUntrusted
from streamflow.models.mlflow_client import STORE_REMEDY, is_store_error


def fetch(tracking_uri: str, folder: Path, *, failure: str, **artifact: str) -> Path:
    """Download a file or folder to a path below `folder`, and return this path.

    Args:
        tracking_uri: the address of MLflow.
        folder: the folder to download to.
        failure: the beginning of the message if the download fails; it names the artifact.
        artifact: MLflow's name of the artifact: artifact_uri, or run_id and artifact_path.

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
    except Exception as exc:
        if not is_store_error(exc):
            raise
        raise ArtifactUntrusted(f"{failure}: {exc}", remedy=STORE_REMEDY) from exc
    return Path(path)


def read_local_file(path: Path, *, failure: str) -> bytes:
    """Return the content of a file in an artifact store that is a folder of this machine.

    Args:
        path: the file.
        failure: the beginning of the message if it cannot be read; it names the artifact.

    Raises:
        ArtifactUntrusted: the file cannot be read.
    """
    try:
        # Anybody who writes to MLflow chooses the path. A pipe or a device has no end.
        if path.exists() and not path.is_file():
            raise ArtifactUntrusted(f"{failure}: {path} is no file")
        return path.read_bytes()
    except OSError as exc:
        raise ArtifactUntrusted(f"{failure}: {path}: {exc.strerror}") from exc
    except ValueError as exc:  # the path has a character that no path can have
        raise ArtifactUntrusted(f"{failure}: {exc}") from exc
