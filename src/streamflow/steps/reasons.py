"""explain: why the version in Production says what it says of one key; and the reasons of the rows that `score` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.explain import Explanation
from streamflow.platform import Platform
from streamflow.steps.predict import Serving, as_key, features_of_key, load_serving, oldest
from streamflow.steps.stages import reconcile
from streamflow.warehouse import ledger

if TYPE_CHECKING:
    import psycopg

    from streamflow.models.predictor import Predictor

TOP = 3  # reasons that `score` writes of a row


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """One answer and what it is made of. `as_of` is that of the oldest feature row used."""

    key: str | int
    prediction: int
    probability: float
    threshold: float
    explanation: Explanation
    model: str
    version: int
    run_id: str
    as_of: datetime


def explain(platform: Platform, key: str) -> Reasons:
    """The reasons for what is said of a key now; nothing is logged, for nothing is decided. Raises as `predict` does."""
    reconcile(platform)
    with ledger.together(platform.connection):
        serving = load_serving(platform)
        return reasons(serving, platform.connection, as_key(platform.catalog, key))


def reasons(serving: Serving, connection: psycopg.Connection, key: str | int) -> Reasons:
    """Read and explain. Raises EntityUnknown, FeaturesMissing."""
    row = features_of_key(serving.reader, serving.catalog, connection, key)
    return reasons_of(serving, key, row.values, oldest(row))


def reasons_of(serving: Serving, key: str | int, values: tuple[bool | int | float | str | None, ...], as_of: datetime) -> Reasons:
    """Explain a row that was read already: no input, no output, only computing."""
    from streamflow.models.reasons import explain as explained

    probability = serving.predictor.probability_one(values)
    return Reasons(
        key=key,
        prediction=int(probability >= serving.predictor.threshold),
        probability=probability,
        threshold=serving.predictor.threshold,
        explanation=explained(serving.predictor, values, words_of(serving.catalog)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=as_of,
    )


def words_of(catalog: Catalog) -> dict[str, str]:
    """Feature -> what people call it."""
    return {f.name: f.column.words for f in catalog.features if f.column.words}


def reasons_of_rows(catalog: Catalog, predictor: Predictor, rows: pl.DataFrame) -> Iterator[str]:
    """The largest contributions of each row, as JSON."""
    from streamflow.models.reasons import explain_rows

    for found in explain_rows(predictor, rows, words_of(catalog)):
        told = [{"feature": c.feature, "value": c.value, "contribution": c.contribution, "words": c.words} for c in found.top(TOP)]
        yield json.dumps(told, ensure_ascii=False)
