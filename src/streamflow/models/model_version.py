"""A version of the registered model, as MLflow has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A version as MLflow has it. `as_of` is empty for one that was registered by others."""

    version: int
    run_id: str
    stage: str
    aliases: tuple[str, ...]
    created: datetime
    metrics: Mapping[str, float]
    as_of: str
    tags: Mapping[str, str]


def described(found: Any, metrics: Mapping[str, float], aliases: Mapping[str, int]) -> ModelVersion:
    """MLflow's own version, the metrics of its run, and the aliases of all versions, which MLflow's search leaves out."""
    return ModelVersion(
        version=int(found.version),
        run_id=found.run_id or "",
        stage=found.current_stage,
        aliases=tuple(
            sorted(alias for alias, number in aliases.items() if number == int(found.version))
        ),
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        metrics=dict(metrics),
        as_of=found.tags.get("as_of", ""),
        tags=dict(found.tags),
    )
