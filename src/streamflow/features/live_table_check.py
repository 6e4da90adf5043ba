"""Check whether the live tables have the columns that a feature service reads."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from streamflow.column_types import COLUMN_TYPES
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.live_tables import live_columns


def describe_misfits(
    connection: psycopg.Connection,
    features: Sequence[ServiceFeature],
) -> list[str]:
    """Describe each feature whose live column is missing or has a different type.

    The list is empty when all features fit.
    """
    views = {feature.view for feature in features}
    types_by_view = {view: live_columns(connection, view) for view in views}
    descriptions = []
    for feature in features:
        model_type = COLUMN_TYPES[feature.type].sql
        live_type = types_by_view[feature.view].get(feature.name)
        if live_type == model_type:
            continue
        in_live_view = f"{live_type} in" if live_type else "missing from"
        descriptions.append(
            f"{feature.ref} is {model_type} in the model and {in_live_view} the live view"
        )
    return descriptions
