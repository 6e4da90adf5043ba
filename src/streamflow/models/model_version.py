"""A version of the registered model, as MLflow stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from streamflow.core.statistics.old_metric_names import translate_old_metrics
from streamflow.models.system_metrics import without_system_metrics


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A version of the registered model, as MLflow stores it.

    `as_of` is empty for a version that streamflow did not register. No receipt shows `changed`,
    which is when MLflow last changed the version, such as its stage, and `files_location`, which is
    the folder of the files of its run if it was read together with the version.
    """

    version: int
    run_id: str
    stage: str
    aliases: tuple[str, ...]
    created: datetime
    metrics: Mapping[str, float]
    as_of: str
    tags: Mapping[str, str]
    changed: datetime | None = field(default=None, repr=False, compare=False)
    files_location: str | None = field(default=None, repr=False, compare=False)


def create_model_version(
    mlflow_version: Any,
    metrics: Mapping[str, float],
    version_by_alias: Mapping[str, int],
) -> ModelVersion:
    """Create a ModelVersion from MLflow's objects.

    Args:
        mlflow_version: MLflow's own description of the version.
        metrics: the metrics of the version's run, under today's or the old names.
        version_by_alias: the aliases of all versions. MLflow's search does not return them with
            the versions.
    """
    number = int(mlflow_version.version)
    # MLflow declares the second one as optional.
    changed_ms = mlflow_version.last_updated_timestamp or mlflow_version.creation_timestamp
    aliases = [alias for alias, version in version_by_alias.items() if version == number]
    return ModelVersion(
        version=number,
        run_id=mlflow_version.run_id or "",
        stage=mlflow_version.current_stage,
        aliases=tuple(sorted(aliases)),
        created=datetime.fromtimestamp(mlflow_version.creation_timestamp / 1000, UTC),
        metrics=translate_old_metrics(without_system_metrics(metrics)),
        as_of=mlflow_version.tags.get("as_of", ""),
        tags=dict(mlflow_version.tags),
        changed=datetime.fromtimestamp(changed_ms / 1000, UTC),
        files_location=getattr(mlflow_version, "files_location", None),
    )
