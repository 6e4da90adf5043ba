"""The local join of named revisions."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl

from streamflow.catalog import load_catalog
from streamflow.core.data.contract import polars_type
from streamflow.steps.training.feature_reading import join_features


def test_a_view_whose_table_no_drop_has_gives_nulls() -> None:
    catalog = load_catalog(None)
    settings = SimpleNamespace(engine="local", spark_remote=None)
    platform: Any = SimpleNamespace(catalog=catalog, settings=settings)

    def read_nothing(*_arguments: Any) -> pl.DataFrame:
        raise AssertionError("there is no revision to read")

    keys = pl.DataFrame({catalog.entity.key: ["a", "b"]})
    joined = join_features(platform, read_nothing, keys, datetime(2024, 1, 31, tzinfo=UTC), ())
    types = {feature.name: polars_type(feature.column.type) for feature in catalog.features}
    assert joined.null_count().row(0) == (2,) * len(types)
    assert dict(joined.schema) == types
