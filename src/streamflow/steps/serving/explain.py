"""explain: give the reasons for the prediction of one key, or of the rows that `score` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamflow.catalog import Catalog
from streamflow.core.serving.completeness import CompletedRow
from streamflow.core.serving.reasons import Explanation
from streamflow.core.statistics.threshold import Threshold, is_flagged
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.serving.predict import parse_key, unknown_key_error
from streamflow.steps.serving.serving_version import Serving, load_serving
from streamflow.steps.stages.transitions import reconcile
from streamflow.warehouse import ledger

if TYPE_CHECKING:
    import polars as pl
    import psycopg

    from streamflow.models.predictor import Predictor

TOP = 3  # reasons that `score` writes for each row


@dataclass(frozen=True, kw_only=True)
class ExplainedPrediction(Receipt):
    """A prediction and what each feature adds to it.

    as_of   the instant of the oldest feature row that was used
    """

    key: str | int
    prediction: int
    probability: float
    threshold: Threshold
    explanation: Explanation
    model: str
    version: int
    run_id: str
    as_of: datetime
    age_days: float
    defaulted: tuple[str, ...]


def explain(platform: Platform, key: str, *, now: datetime) -> ExplainedPrediction:
    """Explain the prediction for a key at `now`; raise the same errors as `predict`.

    Nothing is logged, because nobody decides anything by this call.
    """
    platform.notify(f"reading which version of {platform.catalog.model} is in Production")
    reconcile(platform)
    platform.notify("loading this version")
    with ledger.lock_ledger_shared(platform.connection):
        return explain_live_row(platform.connection, load_serving(platform), key, now=now)


def explain_live_row(
    connection: psycopg.Connection,
    serving: Serving,
    key: str,
    *,
    now: datetime,
) -> ExplainedPrediction:
    """Explain the answer of a loaded version for the live row of a key, as `explain` does."""
    typed_key = parse_key(serving.catalog, key)
    row = serving.reader.read(connection, typed_key)
    if row is None:
        raise unknown_key_error(serving.catalog, typed_key)
    completed = serving.policy.complete_row(row.values, row.as_of, now, key=typed_key)
    return explain_row(serving, typed_key, completed)


def explain_row(serving: Serving, key: str | int, row: CompletedRow) -> ExplainedPrediction:
    """Explain a row that was read and completed before. This only computes."""
    from streamflow.models.reasons import explain as explain_values

    probability = serving.predictor.probability_one(row.values)
    descriptions = _feature_descriptions(serving.catalog)
    return ExplainedPrediction(
        key=key,
        prediction=int(is_flagged(probability, serving.predictor.threshold)),
        probability=probability,
        threshold=serving.predictor.threshold,
        explanation=explain_values(
            serving.predictor, row.values, descriptions, probability=probability
        ),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=row.as_of,
        age_days=row.age_days,
        defaulted=row.defaulted,
    )


def _feature_descriptions(catalog: Catalog) -> dict[str, str]:
    """Return the words for people of each feature for which the catalog has them."""
    return {
        feature.name: feature.column.words for feature in catalog.features if feature.column.words
    }


def top_reasons_json(
    catalog: Catalog,
    predictor: Predictor,
    rows: pl.DataFrame,
    probability: NDArray[np.float64],
) -> Iterator[str]:
    """Yield the TOP largest contributions of each row as JSON.

    Args:
        rows: (n, features).
        probability: What the predictor answers for the rows, (n,).
    """
    from streamflow.models.reasons import explain_rows

    descriptions = _feature_descriptions(catalog)
    for explanation in explain_rows(predictor, rows, descriptions, probability=probability):
        reasons = [
            {
                "feature": contribution.feature,
                "value": contribution.value,
                "contribution": contribution.contribution,
                "words": contribution.words,
            }
            for contribution in explanation.top(TOP)
        ]
        yield json.dumps(reasons, ensure_ascii=False)
