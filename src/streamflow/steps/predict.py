"""predict: the live features of one key through the version in Production."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from streamflow.catalog import Catalog
from streamflow.errors import EntityUnknown, FeaturesMissing, NotMigrated, VersionMissing
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
    """One version and all that it needs to answer: swapped as a whole, never in parts."""

    catalog: Catalog
    model: str
    version: int
    run_id: str
    predictor: Predictor
    reader: OnlineReader


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer. `as_of` is that of the oldest feature row used."""

    key: str | int
    prediction: int
    probability: float
    features: Mapping[str, Any]
    model: str
    version: int
    run_id: str
    as_of: datetime


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
    )


def predict(platform: Platform, key: str) -> Prediction:
    """Predict for one key and log the answer; a promotion waits for it. Raises as `load_serving` and `answer` do.

    A change that was made in MLflow is entered first: the next one there would cover it up.
    """
    reconcile(platform)
    with ledger.together(platform.connection):
        return answer(load_serving(platform), platform.connection, as_key(platform.catalog, key), request_id=uuid4().hex)


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


def answer(serving: Serving, connection: psycopg.Connection, key: str | int, *, request_id: str) -> Prediction:
    """Read, predict, log.

    Raises EntityUnknown when no view has the key, FeaturesMissing when a feature that is never null has no value; both
    name what is missing.
    """
    row = features_of_key(serving.reader, serving.catalog, connection, key)
    names = [f.name for f in serving.reader.features]
    probability = serving.predictor.probability_one(row.values)
    prediction = Prediction(
        key=key,
        prediction=int(probability >= serving.predictor.threshold),
        probability=probability,
        features=dict(zip(names, row.values, strict=True)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=oldest(row),
    )
    log_prediction(connection, _logged(prediction, serving.predictor.threshold, request_id))
    return prediction


def features_of_key(reader: OnlineReader, catalog: Catalog, connection: psycopg.Connection, key: str | int) -> OnlineRow:
    """The live row of a key, complete as the catalog promises it."""
    row = reader.read(connection, key)
    names = [f.name for f in reader.features]
    if row is None:
        raise _unknown(catalog, key, names)
    nullable = {f.name for f in catalog.features if f.column.nullable}
    absent = set(row.absent_views)
    missing = [
        f.name
        for f, value in zip(reader.features, row.values, strict=True)
        if f.view in absent or (value is None and f.name not in nullable)
    ]
    if missing:
        raise FeaturesMissing(f"{catalog.entity.key} '{key}' has no value for {', '.join(missing)}", missing_features=missing)
    return row


def oldest(row: OnlineRow) -> datetime:
    """The instant that the oldest part of a row describes."""
    return min(at for at in row.as_of.values() if at is not None)


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
