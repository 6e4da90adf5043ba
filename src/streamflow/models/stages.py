"""Stages and aliases in MLflow's registry, and the newest ledger entry that it was told of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamflow.models.mlflow_client import stage_warnings_expected

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ALIASES = {"Production": "production", "Staging": "staging"}  # the alias that goes with a stage
HEAD = "streamflow.ledger_head"  # a tag of the registered model


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What MLflow says of the model's stages.

    staged   stage -> the versions in it      aliases   stage -> the version that its alias names
    changed  version -> when MLflow last changed it      head   the newest ledger entry that MLflow was told of
    """

    staged: dict[str, list[int]]
    aliases: dict[str, int | None]
    changed: dict[int, datetime]
    head: str | None


def standing(client: MlflowClient, name: str, versions: list[Any]) -> Standing:
    """Ask once; `versions` are MLflow's own of this model."""
    found = client.search_registered_models(f"name = '{name}'")
    aliases = {alias: int(number) for model in found for alias, number in model.aliases.items()}
    return Standing(
        staged={
            stage: sorted(int(v.version) for v in versions if v.current_stage == stage)
            for stage in ALIASES
        },
        aliases={stage: aliases.get(alias) for stage, alias in ALIASES.items()},
        changed={
            int(v.version): datetime.fromtimestamp(v.last_updated_timestamp / 1000, UTC)
            for v in versions
        },
        head=found[0].tags.get(HEAD) if found else None,
    )


def put(client: MlflowClient, name: str, number: int, stage: str, aliases: tuple[str, ...]) -> None:
    """Put a version, which has these aliases, into `stage` with the alias of that stage; what was there is archived."""
    with stage_warnings_expected():
        client.transition_model_version_stage(
            name, str(number), stage, archive_existing_versions=stage in ALIASES
        )
    for alias in set(ALIASES.values()) & set(aliases) - {ALIASES.get(stage)}:
        client.delete_registered_model_alias(name, alias)
    set_alias(client, name, stage, number)


def set_alias(client: MlflowClient, name: str, stage: str, number: int | None) -> None:
    """Let the alias of a stage name a version, or no version."""
    if stage not in ALIASES:
        return
    if number is None:
        client.delete_registered_model_alias(name, ALIASES[stage])
    else:
        client.set_registered_model_alias(name, ALIASES[stage], str(number))
