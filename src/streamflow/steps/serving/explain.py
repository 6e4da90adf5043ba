"""explain: why the version in Production says what it says of one key; and the reasons of the rows that `score` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.serving.completeness import Completed
from streamflow.core.serving.reasons import Explanation
from streamflow.platform import Platform
from streamflow.steps.serving.predict import Serving, as_key, load_serving, unknown
from streamflow.steps.stages.transitions import reconcile
from streamflow.warehouse import ledger

if TYPE_CHECKING:
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
    age_days: float
    defaulted: tuple[str, ...]


def explain(platform: Platform, key: str, *, now: datetime) -> Reasons:
    """The reasons for what is said of a key at `now`; nothing is logged, for nothing is decided. Raises as `predict` does."""
    reconcile(platform)
    with ledger.together(platform.connection):
        serving, known = load_serving(platform), as_key(platform.catalog, key)
        row = serving.reader.read(platform.connection, known)
        if row is None:
            raise unknown(platform.catalog, known)
        return reasons_of(
            serving, known, serving.policy.complete_row(row.values, row.as_of, now, key=known)
        )


def reasons_of(serving: Serving, key: str | int, row: Completed) -> Reasons:
    """Explain a row that was read and completed: no input, no output, only computing."""
    from streamflow.models.reasons import explain as explained

    probability = serving.predictor.probability_one(row.values)
    return Reasons(
        key=key,
        prediction=int(probability >= serving.predictor.threshold),
        probability=probability,
        threshold=serving.predictor.threshold,
        explanation=explained(serving.predictor, row.values, words_of(serving.catalog)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=row.as_of,
        age_days=row.age_days,
        defaulted=row.defaulted,
    )


def words_of(catalog: Catalog) -> dict[str, str]:
    """Feature -> what people call it."""
    return {f.name: f.column.words for f in catalog.features if f.column.words}


def reasons_of_rows(catalog: Catalog, predictor: Predictor, rows: pl.DataFrame) -> Iterator[str]:
    """The largest contributions of each row, as JSON."""
    from streamflow.models.reasons import explain_rows

    for found in explain_rows(predictor, rows, words_of(catalog)):
        told = [
            {
                "feature": c.feature,
                "value": c.value,
                "contribution": c.contribution,
                "words": c.words,
            }
            for c in found.top(TOP)
        ]
        yield json.dumps(told, ensure_ascii=False)
