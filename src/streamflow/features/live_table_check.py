"""Whether the live tables have what a feature service reads."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from streamflow.features.feature_service import ServiceFeature
from streamflow.features.live_tables import SQL_TYPES, live_columns


def misfits(connection: psycopg.Connection, features: Sequence[ServiceFeature]) -> list[str]:
    """The features whose view has no such column now, or one of another type, in words; empty when all fit."""
    live = {view: live_columns(connection, view) for view in {f.view for f in features}}
    return [
        f"{f.ref} is {SQL_TYPES[f.type]} in the model and {live[f.view].get(f.name, 'not there')} in the live view"
        for f in features
        if live[f.view].get(f.name) != SQL_TYPES[f.type]
    ]
