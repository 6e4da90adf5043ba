"""What MLflow's registry has of one registered model, however it was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamflow.models.mlflow_client import translate_mlflow_errors
from streamflow.models.version_search import (
    collect_aliases,
    search_registered_models,
    search_versions,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True, kw_only=True)
class RegistryContent:
    """The versions, aliases and tags of one registered model.

    Attributes:
        versions: the versions, the newest first. They have the attributes of MLflow's own.
        aliases: alias -> version.
        model_tags: the tags of the registered model.
        read_metrics: returns the newest metrics of the run of a version.
    """

    versions: list[Any]
    aliases: Mapping[str, int]
    model_tags: Mapping[str, str]
    read_metrics: Callable[[Any], Mapping[str, float]]


def read_by_client(
    client: MlflowClient,
    name: str,
    *,
    below: int | None = None,
    limit: int | None = None,
) -> RegistryContent:
    """Read the content of the registry through MLflow's client.

    Args:
        client: the connection to MLflow.
        name: the name of the registered model.
        below: only versions with smaller numbers; None: all.
        limit: how many versions at most, the newest first; None: all.
    """

    def read_metrics(version: Any) -> Mapping[str, float]:
        if not version.run_id:
            return {}
        with translate_mlflow_errors():
            metrics: Mapping[str, float] = client.get_run(version.run_id).data.metrics
            return metrics

    registered_models = search_registered_models(client, name)
    return RegistryContent(
        versions=search_versions(client, name, below=below, limit=limit),
        aliases=collect_aliases(registered_models),
        model_tags=registered_models[0].tags if registered_models else {},
        read_metrics=read_metrics,
    )
