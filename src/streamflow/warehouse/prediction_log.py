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
    def fields(self) -> dict[str, object]:
        """Return column -> value, as the statement reads it from JSON."""
        return {
            "request_id": self.request_id,
            "key": self.key,
            "as_of": self.as_of,
            "model": self.model,
            "version": self.version,
            "run_id": self.run_id,
            "probability": self.probability,
            "prediction": self.prediction,
            # JSON has no infinity. PostgreSQL reads the text as the same number.
            "threshold": str(self.threshold),
            "features": self.features,
            "service": self.service,
            "views": self.views,
            "code": self.code,
            "defaulted": self.defaulted or None,
        }


def log_predictions(connection: psycopg.Connection, entries: Iterable[LoggedPrediction]) -> None:
    """Append answers to the log: all of them, or none.

    Raises KeyForgotten when a key was forgotten since its row was read.
    """
    with _translate_forgotten():
        connection.execute(QUERIES["insert_predictions"], [_write_entries(entries)], prepare=True)


async def log_predictions_async(
    connection: psycopg.AsyncConnection,
    entries: Iterable[LoggedPrediction],
) -> None:
    """Append answers to the log on an asynchronous connection: all of them, or none.

    Raises KeyForgotten when a key was forgotten since its row was read.
    """
    content = _write_entries(entries)
    with _translate_forgotten():
        await connection.execute(QUERIES["insert_predictions"], [content], prepare=True)


def _write_entries(entries: Iterable[LoggedPrediction]) -> str:
    """Write answers as JSON. Floats keep their 64 bits."""
    return to_json([entry.fields for entry in entries]).decode()


@contextmanager
def _translate_forgotten() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.RestrictViolation as exc:
        raise KeyForgotten(exc.diag.message_primary) from exc
