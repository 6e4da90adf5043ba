"""The stages and aliases in MLflow's registry, and the newest ledger entry that MLflow knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.models.registry_content import RegistryContent

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Stage -> the alias that goes with it.
ALIAS_BY_STAGE = {"Production": "production", "Staging": "staging"}
#: A tag of the registered model. It names the newest entry of the ledger.
LEDGER_HEAD_TAG = "streamflow.ledger_head"


@dataclass(frozen=True, kw_only=True)
class RegistryStages:
    """What MLflow stores about the stages of the registered model.

    Attributes:
        versions_by_stage: stage -> the versions in it.
        aliased_versions: stage -> the version that its alias names.
        changed_at: version -> when MLflow last changed it.
        ledger_head: the newest ledger entry that we recorded in MLflow.
    """

    versions_by_stage: dict[str, list[int]]
    aliased_versions: dict[str, int | None]
    changed_at: dict[int, datetime]
    ledger_head: str | None


def find_stages(content: RegistryContent) -> RegistryStages:
    """Find the present stages in the content of the registry."""
    versions = content.versions
    return RegistryStages(
        versions_by_stage={stage: _list_versions(versions, stage) for stage in ALIAS_BY_STAGE},
        aliased_versions={
            stage: content.aliases.get(alias) for stage, alias in ALIAS_BY_STAGE.items()
        },
        changed_at={int(version.version): _get_change_time(version) for version in versions},
        ledger_head=content.model_tags.get(LEDGER_HEAD_TAG),
    )


def _get_change_time(version: Any) -> datetime:
    """Return when MLflow last changed a version."""
    return datetime.fromtimestamp(version.last_updated_timestamp / 1000, UTC)


def _list_versions(versions: list[Any], stage: str) -> list[int]:
    """Return the numbers of the versions in a stage, sorted."""
    return sorted(int(version.version) for version in versions if version.current_stage == stage)


def move_to_stage(
    client: MlflowClient,
    name: str,
    number: int,
    stage: str,
    aliases: tuple[str, ...],
) -> None:
    """Move a version to a stage, and set the alias of this stage to it.

    A different version in the stage is archived.

    Args:
        client: the connection to MLflow.
        name: the name of the registered model.
        number: the version to move.
        stage: the stage to move it to.
        aliases: the present aliases of the version.
    """
    with ignore_stage_warnings():
        client.transition_model_version_stage(
            name,
            str(number),
            stage,
            archive_existing_versions=stage in ALIAS_BY_STAGE,
        )
    stage_aliases = set(ALIAS_BY_STAGE.values()) & set(aliases)
    for alias in stage_aliases - {ALIAS_BY_STAGE.get(stage)}:
        client.delete_registered_model_alias(name, alias)
    set_alias(client, name, stage, number)


def set_alias(client: MlflowClient, name: str, stage: str, number: int | None) -> None:
    """Set the alias of a stage to a version, or delete the alias when `number` is None."""
    if stage not in ALIAS_BY_STAGE:
        return
    if number is None:
        client.delete_registered_model_alias(name, ALIAS_BY_STAGE[stage])
    else:
        client.set_registered_model_alias(name, ALIAS_BY_STAGE[stage], str(number))
