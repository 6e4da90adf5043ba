"""predict: read the live features of one key and predict by the version in Production."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from streamflow.catalog import Catalog
from streamflow.core.serving.completeness import CompletedRow
from streamflow.core.statistics.threshold import Threshold, comparable_threshold, is_flagged
from streamflow.errors import (
    EntityUnknown,
    FeaturesMissing,
    FeaturesStale,
    StreamflowError,
)
from streamflow.features.live_features import OnlineRow
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.runtime import code_digest
from streamflow.steps.serving.serving_version import Serving, load_serving
from streamflow.steps.stages.transitions import reconcile
from streamflow.warehouse import ledger
from streamflow.warehouse.prediction_log import KeyForgotten, LoggedPrediction, log_predictions

# int() alone would also accept 1_7, ' 17 ' and the digits of different scripts.
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction(Receipt):
    """The answer of a version for one user.

    features   the values that the prediction was computed from
    as_of      the instant of the oldest feature row that was used
    age_days   how long before the request that was, in days of 24 hours with the fraction
    defaulted  the features whose default replaced a value that is absent or too old
    """

    key: str | int
    prediction: int
    probability: float
    threshold: Threshold
    features: Mapping[str, Any]
    model: str
    version: int
    run_id: str
    as_of: datetime
    age_days: float
    defaulted: tuple[str, ...]
    service: str
    views: Mapping[str, tuple[datetime, datetime | None] | None]

    def log_row(self, request_id: str) -> LoggedPrediction:
        """Return this answer as a row of the prediction log."""
        return LoggedPrediction(
            request_id=request_id,
            key=str(self.key),
            as_of=self.as_of,
            model=self.model,
            version=self.version,
            run_id=self.run_id,
            probability=self.probability,
            prediction=self.prediction,
            threshold=comparable_threshold(self.threshold),
            features=self.features,
            service=self.service,
            views=self.views,
            code=code_digest(),
            defaulted=self.defaulted,
        )


RowRefusal = EntityUnknown | FeaturesMissing | FeaturesStale


def predict(platform: Platform, key: str, *, now: datetime) -> Prediction:
    """Predict for one key at `now` and log the answer; a promotion waits until this is done.

    A change that somebody made in MLflow is entered into the ledger first: the next change there
    would hide it. Raises the same errors as `load_serving`, and those that `predict_rows` returns.
    """
    platform.notify(f"reading which version of {platform.catalog.model} is in Production")
    reconcile(platform)
    platform.notify("loading this version")
    with ledger.lock_ledger_shared(platform.connection):
        serving = load_serving(platform)
        typed_key = parse_key(platform.catalog, key)
        rows = serving.reader.read_many(platform.connection, [typed_key])
        [answer] = predict_rows(serving, [typed_key], rows, now=now)
        if isinstance(answer, StreamflowError):
            raise answer
        try:
            log_predictions(platform.connection, [answer.log_row(uuid4().hex)])
        except KeyForgotten as exc:
            raise unknown_key_error(platform.catalog, typed_key) from exc
        return answer


def parse_key(catalog: Catalog, raw_key: str | int) -> str | int:
    """Return the key in the type of the entity.

    Raises:
        EntityUnknown: the value cannot be a key of this type, so nobody has it.
    """
    if catalog.entity.type == "int":
        if isinstance(raw_key, str) and not WHOLE_NUMBER.fullmatch(raw_key):
            raise unknown_key_error(catalog, raw_key)
        number = int(raw_key)
        if not -(2**63) <= number < 2**63:
            raise unknown_key_error(catalog, raw_key)
        return number
    text = str(raw_key)
    try:
        text.encode()
    except ValueError as exc:  # half of a surrogate pair
        raise unknown_key_error(catalog, raw_key) from exc
    if "\0" in text or len(text) > catalog.entity.max_length:
        raise unknown_key_error(catalog, raw_key)
    return text


def unknown_key_error(catalog: Catalog, key: object) -> EntityUnknown:
    """Return the error for a key that has no row in any view."""
    names = [feature.name for feature in catalog.features]
    return EntityUnknown(
        f"{catalog.entity.key} {str(key)!r} has no features",
        missing_features=names,
    )


def predict_rows(
    serving: Serving,
    keys: Sequence[str | int],
    rows: Sequence[OnlineRow | None],
    *,
    now: datetime,
) -> list[Prediction | RowRefusal]:
    """Return the answer for each key from its live row, in the order of the keys.

    Where a prediction is not possible, the answer is the error that says why.
    """
    completions = [
        _complete_row(serving, key, row, now) for key, row in zip(keys, rows, strict=True)
    ]
    values = [completion[1].values for completion in completions if isinstance(completion, tuple)]
    probabilities = iter(serving.predictor.probability_rows(values).tolist())
    answers: list[Prediction | RowRefusal] = []
    for key, completion in zip(keys, completions, strict=True):
        if isinstance(completion, tuple):
            row, completed = completion
            answers.append(_prediction(serving, key, row, completed, next(probabilities)))
        else:
            answers.append(completion)
    return answers


def _complete_row(
    serving: Serving,
    key: str | int,
    row: OnlineRow | None,
    now: datetime,
) -> tuple[OnlineRow, CompletedRow] | RowRefusal:
    """Apply the policy to a live row; return the row with the result, or the error."""
    if row is None:
        return unknown_key_error(serving.catalog, key)
    try:
        return row, serving.policy.complete_row(row.values, row.as_of, now, key=key)
    except (EntityUnknown, FeaturesMissing, FeaturesStale) as error:
        return error


def _prediction(
    serving: Serving,
    key: str | int,
    row: OnlineRow,
    completed: CompletedRow,
    probability: float,
) -> Prediction:
    """Return the answer for one key."""
    return Prediction(
        key=key,
        prediction=int(is_flagged(probability, serving.predictor.threshold)),
        probability=probability,
        threshold=serving.predictor.threshold,
        features=dict(zip(serving.policy.names, completed.values, strict=True)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=completed.as_of,
        age_days=completed.age_days,
        defaulted=completed.defaulted,
        service=serving.service,
        views=row.sources,
    )
