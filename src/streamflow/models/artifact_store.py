"""Files out of MLflow's artifact store."""

from __future__ import annotations

from pathlib import Path

from streamflow.errors import ArtifactUntrusted


def fetch(tracking_uri: str, to: Path, *, what: str, **where: str) -> Path:
    """Fetch a file or folder below `to`; where it is now.

    `where` is MLflow's way to name it: artifact_uri, or run_id and artifact_path. Raises ArtifactUntrusted, in which `what` says
    whose it is.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return Path(
            mlflow.artifacts.download_artifacts(
                **where, dst_path=str(to), tracking_uri=tracking_uri
            )
        )
    except (MlflowException, OSError) as exc:
        raise ArtifactUntrusted(f"{what}: {exc}") from exc
