"""predict: the live features of one key through the version in Production."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from streamflow.catalog import Catalog
from streamflow.core.completeness import Policy, policy_of
from streamflow.core.default_costs import of_metrics
from streamflow.errors import EntityUnknown, NotMigrated, VersionMissing
from streamflow.features.serving import OnlineReader, OnlineRow
from streamflow.platform import Platform
from streamflow.steps.stages import reconcile, served
from streamflow.warehouse import ledger
from streamflow.warehouse.predictions import LoggedPrediction, log_prediction

if TYPE_CHECKING:
    import psycopg

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
    reader: OnlineReader
    default_costs: Mapping[str, Mapping[str, float]]

    @cached_property
    def policy(self) -> Policy:
        """What is served where a value is absent or too old: the catalog at hand decides, not that of the version."""
        return policy_of(self.catalog, [f.ref for f in self.reader.features])


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer.

    features   the values that it was made from
    as_of      the instant of the oldest feature row used; `age_days` before the request, days of 24 hours with the fraction
    defaulted  the features whose default stood in for a value that is absent or too old
    """

    key: str | int
    prediction: int
    probability: float
    features: Mapping[str, Any]
    model: str
    version: int
    run_id: str
    as_of: datetime
    age_days: float
    defaulted: tuple[str, ...]


def load_serving(platform: Platform) -> Serving:
    """The version in Production, its digests checked before it is parsed.

    Raises VersionMissing when none is in Production, ArtifactUntrusted when the file is not the one registered.
    """
    version = served(platform)
    if version is None:
        raise VersionMissing(f"no version of {platform.catalog.model} is in Production")
    return serving_of(platform, version)


def serving_of(platform: Platform, version: ModelVersion) -> Serving:
    """A version with all that it needs to answer. Raises ArtifactUntrusted, NotMigrated."""
    loaded = platform.models.load(version)
    service = version.tags["feature_service"]
    features = platform.services().get(service)
    if features is None:
        raise NotMigrated(f"version {version.version} reads the feature service {service}, which is not defined here")
    reader = OnlineReader(features, key=platform.catalog.entity.key, key_type=platform.catalog.entity.type)
    return Serving(
        catalog=platform.catalog,
        model=platform.catalog.model,
        version=version.version,
        run_id=version.run_id,
        predictor=loaded,
        reader=reader,
        default_costs=of_metrics(version.metrics),
    )


def predict(platform: Platform, key: str, *, now: datetime) -> Prediction:
    """Predict for one key at `now` and log the answer; a promotion waits for it. Raises as `load_serving` and `answer` do.

    A change that was made in MLflow is entered first: the next one there would cover it up.
    """
    reconcile(platform)
    with ledger.together(platform.connection):
        known = as_key(platform.catalog, key)
        return answer(load_serving(platform), platform.connection, known, now=now, request_id=uuid4().hex)


def as_key(catalog: Catalog, given: str | int) -> str | int:
    """The key in the entity's type. Raises EntityUnknown for what cannot be a key: nobody has it."""
    names = [f.name for f in catalog.features]
    try:
        if catalog.entity.type == "int":
            if isinstance(given, str) and not WHOLE.fullmatch(given):
                raise _unknown(catalog, given, names)
            key = int(given)
            if not -(2**63) <= key < 2**63:
                raise _unknown(catalog, given, names)
            return key
        text = str(given)
        text.encode()
    except ValueError as exc:  # no number, or half of a surrogate pair
        raise _unknown(catalog, given, names) from exc
    if "\0" in text or len(text) > catalog.entity.max_length:
        raise _unknown(catalog, given, names)
    return text


def answer(serving: Serving, connection: psycopg.Connection, key: str | int, *, now: datetime, request_id: str) -> Prediction:
    """Read, complete, predict, log. Raises EntityUnknown, FeaturesMissing, FeaturesStale; each names what it is about."""
    row = row_of_key(serving.reader, serving.catalog, connection, key)
    whole = serving.policy.complete_row(row.values, row.as_of, now, key=key)
    probability = serving.predictor.probability_one(whole.values)
    prediction = Prediction(
        key=key,
        prediction=int(probability >= serving.predictor.threshold),
        probability=probability,
        features=dict(zip(serving.policy.names, whole.values, strict=True)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=whole.as_of,
        age_days=whole.age_days,
        defaulted=whole.defaulted,
    )
    log_prediction(connection, _logged(prediction, serving.predictor.threshold, request_id))
    return prediction


def row_of_key(reader: OnlineReader, catalog: Catalog, connection: psycopg.Connection, key: str | int) -> OnlineRow:
    """The live row of a key as it is. Raises EntityUnknown when no view has the key."""
    row = reader.read(connection, key)
    if row is None:
        raise _unknown(catalog, key, [f.name for f in reader.features])
    return row


def _unknown(catalog: Catalog, key: object, names: list[str]) -> EntityUnknown:
    return EntityUnknown(f"{catalog.entity.key} {str(key)!r} has no features", missing_features=names)


def _logged(prediction: Prediction, threshold: float, request_id: str) -> LoggedPrediction:
    return LoggedPrediction(
        request_id=request_id,
        key=str(prediction.key),
        as_of=prediction.as_of,
        model=prediction.model,
        version=prediction.version,
        run_id=prediction.run_id,
        probability=prediction.probability,
        prediction=prediction.prediction,
        threshold=threshold,
        features=prediction.features,
    )
