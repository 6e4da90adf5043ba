"""The versions of the model as a frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import polars as pl

from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.models.model_version import ModelVersion

METRICS = tuple(field.name for field in fields(HoldoutMetrics))
SCHEMA: dict[str, Any] = {
    "version": pl.Int64,
    "stage": pl.String,
    "aliases": pl.List(pl.String),
    "as_of": pl.String,
    "run_id": pl.String,
    "created": pl.Datetime("us", "UTC"),
    **dict.fromkeys(METRICS, pl.Float64),
}


def list_versions(versions: Iterable[ModelVersion]) -> pl.DataFrame:
    """Return a row for each version, in their order; a metric that it does not have is null."""
    rows = [_row(version) for version in versions]
    return pl.DataFrame(rows, schema=SCHEMA)


def _row(version: ModelVersion) -> dict[str, Any]:
    described = {
        "version": version.version,
        "stage": version.stage,
        "aliases": list(version.aliases),
        "as_of": version.as_of,
        "run_id": version.run_id,
        "created": version.created,
    }
    return {**described, **{name: version.metrics.get(name) for name in METRICS}}
