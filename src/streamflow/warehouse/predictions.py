"""The prediction log: each answer with what it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg


@dataclass(frozen=True, kw_only=True)
class LoggedPrediction:
    """One answer."""

    request_id: str
    key: str
    as_of: datetime
    model: str
    version: int
    run_id: str
    probability: float
    prediction: int
    threshold: float
    features: Mapping[str, object]


def log_prediction(connection: psycopg.Connection, entry: LoggedPrediction) -> None:
    """Append one answer."""
    connection.execute(
        "INSERT INTO streamflow.prediction_log (request_id, key, as_of, model, version, run_id, probability, prediction, threshold,"
        " features) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            entry.request_id, entry.key, entry.as_of, entry.model, entry.version, entry.run_id,
            entry.probability, entry.prediction, entry.threshold, json.dumps(entry.features),
        ],
    )  # fmt: skip
