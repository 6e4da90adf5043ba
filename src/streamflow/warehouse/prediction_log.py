"""The prediction log: each answer, with everything from which it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from pydantic_core import to_json

from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "prediction_log.sql")


class KeyForgotten(Exception):
    """A key of the answers was erased on request since its row was read: read the rows again."""


@dataclass(frozen=True, kw_only=True)
class LoggedPrediction:
    """One answer of the prediction log.

    service    the feature service that was read
    views      view -> [as_of, known_at] of the live row that was read; None: the view had no row
    code       the digest of the code that answered
    defaulted  the features whose value is a default of the catalog and was not read
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
        """Return the values in the order of the COPY statement."""
        return (
            self.request_id,
            self.key,
            self.as_of,
            self.model,
            self.version,
            self.run_id,
            self.probability,
            self.prediction,
            self.threshold,
            to_json(self.features).decode(),
            self.service,
            to_json(self.views).decode(),
            self.code,
            to_json(self.defaulted).decode() if self.defaulted else None,
        )


def log_predictions(connection: psycopg.Connection, entries: Iterable[LoggedPrediction]) -> None:
    """Append answers to the log: all of them, or none.

    Raises KeyForgotten when a key was forgotten since its row was read.
    """
    with (
        _translate_forgotten(),
        connection.cursor() as cursor,
        cursor.copy(QUERIES["copy_predictions"]) as copy,
    ):
        for entry in entries:
            copy.write_row(entry.row)


async def log_predictions_async(
    connection: psycopg.AsyncConnection,
    entries: Iterable[LoggedPrediction],
) -> None:
    """Append answers to the log on an asynchronous connection: all of them, or none.

    Raises KeyForgotten when a key was forgotten since its row was read.
    """
    with _translate_forgotten():
        async with connection.cursor() as cursor, cursor.copy(QUERIES["copy_predictions"]) as copy:
            for entry in entries:
                await copy.write_row(entry.row)


@contextmanager
def _translate_forgotten() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.RestrictViolation as exc:
        raise KeyForgotten(exc.diag.message_primary) from exc
