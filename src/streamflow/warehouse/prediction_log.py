"""The prediction log: each answer with what it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from pydantic_core import to_json

COPY = (
    "COPY streamflow.prediction_log (request_id, key, as_of, model, version, run_id, probability, prediction, threshold, features,"
    " service, views, code, defaulted) FROM STDIN"
)


@dataclass(frozen=True, kw_only=True)
class LoggedPrediction:
    """One answer.

    service    the feature service that was read
    views      view -> [as_of, known_at] of the live row that was read; None: the view had none
    code       the digest of the code that answered
    defaulted  the features whose value is a stated default: nothing that was read
    """

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
    service: str
    views: Mapping[str, tuple[datetime, datetime | None] | None]
    code: str
    defaulted: Sequence[str] = ()

    @property
    def row(self) -> tuple[object, ...]:
        """Its values, in the order of COPY."""
        return (
            self.request_id, self.key, self.as_of, self.model, self.version, self.run_id,
            self.probability, self.prediction, self.threshold, to_json(self.features).decode(),
            self.service, to_json(self.views).decode(), self.code, to_json(self.defaulted).decode() if self.defaulted else None,
        )  # fmt: skip


def log_predictions(connection: psycopg.Connection, entries: Iterable[LoggedPrediction]) -> None:
    """Append answers: all of them, or none."""
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for entry in entries:
            copy.write_row(entry.row)


async def log_beside(
    connection: psycopg.AsyncConnection, entries: Iterable[LoggedPrediction]
) -> None:
    """The same on a connection that lets others work meanwhile."""
    async with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for entry in entries:
            await copy.write_row(entry.row)
