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
from streamflow.errors import EntityUnknown, FeaturesMissing, NotMigrated, StreamflowError, VersionMissing
from streamflow.features.serving import OnlineReader, OnlineRow
from streamflow.platform import Platform
from streamflow.runtime.code import code_digest
from streamflow.steps.stages import reconcile, served
from streamflow.warehouse import ledger
from streamflow.warehouse.predictions import LoggedPrediction, log_predictions

if TYPE_CHECKING:
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
    service: str
    reader: OnlineReader

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the reader and of the model."""
        return tuple(f.name for f in self.reader.features)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One answer. `as_of` is that of the oldest feature row used."""

    key: str | int
    prediction: int
    probability: float
    threshold: float
    features: Mapping[str, Any]
    model: str
    version: int
    run_id: str
    as_of: datetime
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
        )


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
        raise NotMigrated(f"version {version.version} reads the feature service {service}, which is not defined here")
    reader = OnlineReader(features, key=platform.catalog.entity.key, key_type=platform.catalog.entity.type)
    return Serving(
        catalog=platform.catalog,
        model=platform.catalog.model,
        version=version.version,
        run_id=version.run_id,
        predictor=predictor,
        service=service,
        reader=reader,
    )


def predict(platform: Platform, key: str) -> Prediction:
    """Predict for one key and log the answer; a promotion waits for it. Raises as `load_serving` and `judge` do.

    A change that was made in MLflow is entered first: the next one there would cover it up.
    """
    reconcile(platform)
    with ledger.together(platform.connection):
        serving, known = load_serving(platform), as_key(platform.catalog, key)
        [found] = judge(serving, [known], serving.reader.read_many(platform.connection, [known]))
        if isinstance(found, StreamflowError):
            raise found
        log_predictions(platform.connection, [found.logged(uuid4().hex)])
        return found


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


def judge(
    serving: Serving, keys: Sequence[str | int], rows: Sequence[OnlineRow | None]
) -> list[Prediction | EntityUnknown | FeaturesMissing]:
    """The answer for each key by its live row, in their order; where there can be none, why.

    EntityUnknown when no view has the key, FeaturesMissing when a feature that is never null has no value; both name what is
    missing.
    """
    whole = [_complete_or_why(serving, key, row) for key, row in zip(keys, rows, strict=True)]
    answered = [row.values for row in whole if isinstance(row, OnlineRow)]
    probabilities = iter(serving.predictor.probability_rows(answered).tolist())
    return [
        _prediction(serving, key, row, next(probabilities)) if isinstance(row, OnlineRow) else row
        for key, row in zip(keys, whole, strict=True)
    ]


def _complete_or_why(serving: Serving, key: str | int, row: OnlineRow | None) -> OnlineRow | EntityUnknown | FeaturesMissing:
    try:
        return complete(serving.reader, serving.catalog, key, row)
    except (EntityUnknown, FeaturesMissing) as error:
        return error


def _prediction(serving: Serving, key: str | int, row: OnlineRow, probability: float) -> Prediction:
    return Prediction(
        key=key,
        prediction=int(probability >= serving.predictor.threshold),
        probability=probability,
        threshold=serving.predictor.threshold,
        features=dict(zip(serving.names, row.values, strict=True)),
        model=serving.model,
        version=serving.version,
        run_id=serving.run_id,
        as_of=oldest(row),
        service=serving.service,
        views=row.sources,
    )


def complete(reader: OnlineReader, catalog: Catalog, key: str | int, row: OnlineRow | None) -> OnlineRow:
    """The live row of a key, complete as the catalog promises it. Raises EntityUnknown, FeaturesMissing."""
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
