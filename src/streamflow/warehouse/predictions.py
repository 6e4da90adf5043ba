"""The prediction log: each answer with what it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg
from pydantic_core import to_json

COPY = (
    "COPY streamflow.prediction_log (request_id, key, as_of, model, version, run_id, probability, prediction, threshold, features)"
    " FROM STDIN"
)


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

    @property
    def row(self) -> tuple[object, ...]:
        """Its values, in the order of COPY."""
        return (
            self.request_id, self.key, self.as_of, self.model, self.version, self.run_id,
            self.probability, self.prediction, self.threshold, to_json(self.features).decode(),
        )  # fmt: skip


def log_predictions(connection: psycopg.Connection, entries: Iterable[LoggedPrediction]) -> None:
    """Append answers: all of them, or none."""
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for entry in entries:
            copy.write_row(entry.row)


async def log_beside(connection: psycopg.AsyncConnection, entries: Iterable[LoggedPrediction]) -> None:
    """The same on a connection that lets others work meanwhile."""
    async with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for entry in entries:
            await copy.write_row(entry.row)
