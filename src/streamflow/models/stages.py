"""The stages and aliases in MLflow's registry, and the newest ledger entry that MLflow knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        ledger_head: the newest ledger entry that we recorded in MLflow.
    """

    versions_by_stage: dict[str, list[int]]
    aliased_versions: dict[str, int | None]
    ledger_head: str | None


def find_stages(content: RegistryContent) -> RegistryStages:
    """Find the present stages in the content of the registry."""
    staged = [(int(version.version), version.current_stage) for version in content.versions]
    return make_stages(staged, content.aliases, content.model_tags)


def make_stages(
    staged: Iterable[tuple[int, str]],
    aliases: Mapping[str, int],
    model_tags: Mapping[str, str],
) -> RegistryStages:
    """Make the stages of a registered model from what MLflow stores.

    Args:
        staged: versions, each with its stage. Those in a stage without an alias are left out.
        aliases: alias -> version.
        model_tags: the tags of the registered model.
    """
    versions_by_stage: dict[str, list[int]] = {stage: [] for stage in ALIAS_BY_STAGE}
    for version, stage in sorted(staged):
        if stage in versions_by_stage:
            versions_by_stage[stage].append(version)
    return RegistryStages(
        versions_by_stage=versions_by_stage,
        aliased_versions={stage: aliases.get(alias) for stage, alias in ALIAS_BY_STAGE.items()},
        ledger_head=model_tags.get(LEDGER_HEAD_TAG),
    )


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
