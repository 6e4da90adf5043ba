"""What a person can do on MLflow's own page, by MLflow's own client."""

from __future__ import annotations

from mlflow import MlflowClient

from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform


def client(platform: Platform) -> MlflowClient:
    """A stock client: what it does is what MLflow's page does."""
    return MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)


def transition(platform: Platform, version: int, stage: str, *, archive: bool = False) -> None:
    """Move a version to a stage; with `archive`, the versions that are in it are archived."""
    with ignore_stage_warnings():
        client(platform).transition_model_version_stage(
            platform.catalog.model, str(version), stage, archive_existing_versions=archive
        )
