"""The levels as they are at hand: what `train` writes into a passport and `reproduce` holds against one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamflow.core.data.catalog_definitions import definitions
from streamflow.platform import Platform
from streamflow.runtime import code, environment


@dataclass(frozen=True, kw_only=True)
class Present:
    """Every level but the data, which is read where it is needed."""

    features: Mapping[str, Any]
    code: Mapping[str, Any]
    environment: Mapping[str, Any]
    configuration: Mapping[str, Any]


def present(platform: Platform) -> Present:
    """What this process would train with."""
    return Present(
        features={"service": platform.catalog.service, "catalog": definitions(platform.catalog)},
        code=code(),
        environment=environment(),
        configuration=platform.settings.semantic_values,
    )
