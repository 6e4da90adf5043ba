"""The levels of this process: `train` writes them into a passport, `reproduce` compares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamflow.core.data.catalog_definitions import catalog_to_values
from streamflow.environment import read_environment_level
from streamflow.platform import Platform
from streamflow.runtime import read_code_level


@dataclass(frozen=True, kw_only=True)
class CurrentLevels:
    """Every level of a passport except the data, which is read where it is needed."""

    features: Mapping[str, Any]
    code: Mapping[str, Any]
    environment: Mapping[str, Any]
    configuration: Mapping[str, Any]


def read_current_levels(platform: Platform) -> CurrentLevels:
    """Return the levels that this process would train with."""
    catalog = platform.catalog
    return CurrentLevels(
        features={"service": catalog.service, "catalog": catalog_to_values(catalog)},
        code=read_code_level(),
        environment=read_environment_level(),
        configuration=platform.settings.semantic_values,
    )
