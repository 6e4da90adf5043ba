"""predict: the live features of one key through the version in Production."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from streamflow.catalog import Catalog
from streamflow.core.serving.completeness import Completed, Policy
from streamflow.core.serving.service_policy import policy_of
from streamflow.core.training.default_costs import of_metrics
from streamflow.errors import (
    EntityUnknown,
    FeaturesMissing,
    FeaturesStale,
    NotMigrated,
    StreamflowError,
    VersionMissing,
)
from streamflow.features.live_features import OnlineReader, OnlineRow
from streamflow.platform import Platform
from streamflow.runtime import code_digest
from streamflow.steps.stages.transitions import reconcile, served
from streamflow.warehouse import ledger
from streamflow.warehouse.prediction_log import LoggedPrediction, log_predictions

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor
    from streamflow.models.registry import ModelVersion

WHOLE = re.compile(r"[+-]?[0-9]{1,19}")  # int() reads 1_7, ' 17 ' and other scripts' digits as well


@dataclass(frozen=True, kw_only=True)
class Serving:
    """One version and all that it needs to answer: swapped as a whole, never in parts.

    default_costs   what the defaults of the catalog that it was trained with cost on its hold-out: of -> name -> value
    """

    catalog: Catalog
    model: str
    version: int
    run_id: str
    predictor: Predictor
    service: str
    reader: OnlineReader
    default_costs: Mapping[str, Mapping[str, float]]

    @cached_property
    def policy(self) -> Policy:
        """What is served where a value is absent or too old: the catalog at hand decides, not that of the version."""
        return policy_of(self.catalog, [f.ref for f in self.reader.features])


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One answer.

    features   the values that it was made from
    as_of      the instant of the oldest feature row used; `age_days` before the request, days of 24 hours with the fraction
    defaulted  the features whose default stood in for a value that is absent or too old
    """

    key: str | int
    prediction: int
    probability: float
    threshold: float
    features: Mapping[str, Any]
    model: str
    version: int
    run_id: str
    as_of: datetime
    age_days: float
    defaulted: tuple[str, ...]
    service: str
    views: Mapping[str, tuple[datetime, datetime | None] | None]

    def logged(self, request_id: str) -> LoggedPrediction:
        """The same, for the prediction log."""
        return LoggedPrediction(
            request_id=request_id,
            key=str(self.key),
            as_of=self.as_of,
            model=self.model,
            version=self.version,
            run_id=self.run_id,
            probability=self.probability,
            prediction=self.prediction,
            threshold=self.threshold,
            features=self.features,
            service=self.service,
            views=self.views,
            code=code_digest(),
            defaulted=self.defaulted,
        )


Refusal = EntityUnknown | FeaturesMissing | FeaturesStale


def load_serving(platform: Platform) -> Serving:
    """The version in Production, its digests checked before it is parsed.

    Raises VersionMissing when none is in Production, ArtifactUntrusted when the file is not the one registered.
    """
    version = served(platform)
    if version is None:
        raise VersionMissing(f"no version of {platform.catalog.model} is in Production")
    return serving_of(platform, version)


def serving_of(platform: Platform, version: ModelVersion) -> Serving:
    """A version with all that it needs to answer, tried on its stored requests. Raises ArtifactUntrusted, NotMigrated."""
    predictor = platform.models.load_tried(version)
    service = version.tags["feature_service"]
    features = platform.services().get(service)
    if features is None:
        raise NotMigrated(
            f"version {version.version} reads the feature service {service}, which is not defined here"
        )
    reader = OnlineReader(
        features, key=platform.catalog.entity.key, key_type=platform.catalog.entity.type
    )
    return Serving(
        catalog=platform.catalog,
        model=platform.catalog.model,
        version=version.version,
        run_id=version.run_id,
        predictor=predictor,
        service=service,
        reader=reader,
        default_costs=of_metrics(version.metrics),
    )


def predict(platform: Platform, key: str, *, now: datetime) -> Prediction:
    """Predict for one key at `now` and log the answer; a promotion waits for it. Raises as `load_serving` and `judge` do.

    A change that was made in MLflow is entered first: the next one there would cover it up.
    """
    reconcile(platform)
    with ledger.together(platform.connection):
        serving, known = load_serving(platform), as_key(platform.catalog, key)
        [found] = judge(
            serving, [known], serving.reader.read_many(platform.connection, [known]), now=now
        )
        if isinstance(found, StreamflowError):
            raise found
        log_predictions(platform.connection, [found.logged(uuid4().hex)])
        return found


def as_key(catalog: Catalog, given: str | int) -> str | int:
    """The key in the entity's type. Raises EntityUnknown for what cannot be a key: nobody has it."""
    if catalog.entity.type == "int":
        if isinstance(given, str) and not WHOLE.fullmatch(given):
            raise unknown(catalog, given)
        key = int(given)
        if not -(2**63) <= key < 2**63:
            raise unknown(catalog, given)
        return key
    text = str(given)
    try:
        text.encode()
    except ValueError as exc:  # half of a surrogate pair
        raise unknown(catalog, given) from exc
    if "\0" in text or len(text) > catalog.entity.max_length:
        raise unknown(catalog, given)
    return text


def unknown(catalog: Catalog, key: object) -> EntityUnknown:
    """The error for a key that no view has."""
    names = [f.name for f in catalog.features]
    return EntityUnknown(
        f"{catalog.entity.key} {str(key)!r} has no features", missing_features=names
    )


def judge(
    serving: Serving, keys: Sequence[str | int], rows: Sequence[OnlineRow | None], *, now: datetime
) -> list[Prediction | Refusal]:
    """The answer for each key by its live row, in their order; where there can be none, why, and what it is about."""
    whole = [_completed_or_why(serving, key, row, now) for key, row in zip(keys, rows, strict=True)]
    answered = [row[1].values for row in whole if isinstance(row, tuple)]
    probabilities = iter(serving.predictor.probability_rows(answered).tolist())
    return [
        _prediction(serving, key, *row, next(probabilities)) if isinstance(row, tuple) else row
        for key, row in zip(keys, whole, strict=True)
    ]


def _completed_or_why(
    serving: Serving, key: str | int, row: OnlineRow | None, now: datetime
) -> tuple[OnlineRow, Completed] | Refusal:
    if row is None:
        return unknown(serving.catalog, key)
    try:
        return row, serving.policy.complete_row(row.values, row.as_of, now, key=key)
    except (EntityUnknown, FeaturesMissing, FeaturesStale) as error:
        return error


def _prediction(
    serving: Serving, key: str | int, read: OnlineRow, row: Completed, probability: float
) -> Prediction:
    return Prediction(
        key=key,
        prediction=int(probability >= serving.predictor.threshold),
        probability=probability,
        threshold=serving.predictor.threshold,
        features=dict(zip(serving.policy.names, row.values, strict=True)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=row.as_of,
        age_days=row.age_days,
        defaulted=row.defaulted,
        service=serving.service,
        views=read.sources,
    )
