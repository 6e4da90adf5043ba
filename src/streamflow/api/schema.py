"""The requests and answers of the endpoints on users, for validation and for the OpenAPI document.

Names and types of features come from the catalog. Requests are checked against these models.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from streamflow.api.answers import THRESHOLD, ContributionAnswer, ModelName, Refusal
from streamflow.api.feature_fields import (
    build_live_features,
    build_live_views,
    build_used_features,
)
from streamflow.catalog import Catalog

# The largest row that PostgreSQL's B-tree index holds, so no stored key is longer.
MAX_KEY_LENGTH = 2704
INT64 = 2**63

# An answer names at most this many mistakes of a body, with so many characters of each, because a
# mistake may quote what the client sent.
MAX_MISTAKES = 5
MAX_MISTAKE_LENGTH = 200

# A request is checked without any conversion, and has no field that the API does not know.
STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, kw_only=True)
class EndpointModels:
    """The models of the endpoints on users, for one catalog.

    `path_key` is the type of a key in a path.
    """

    ask: type[BaseModel]
    ask_batch: type[BaseModel]
    path_key: Any
    features: type[BaseModel]
    prediction: type[BaseModel]
    predictions: type[BaseModel]
    reasons: type[BaseModel]


def build_endpoint_models(catalog: Catalog, max_ids: int) -> EndpointModels:
    """Build the models of a catalog. A batch may ask for at most `max_ids` keys."""
    key_name = catalog.entity.key
    key = {key_name: key_field(catalog)}
    keys_description = f"the keys of the {catalog.entity.name}s, in the order of the answer"
    keys: dict[str, Any] = {
        f"{key_name}s": (key_list(catalog, max_ids), Field(description=keys_description))
    }
    model = {"model": (ModelName, Field(description="the version that made this answer"))}
    entries = (_entry_list(catalog), Field(description="one entry for each key, in their order"))
    ask_doc = f"The {catalog.entity.name} that is asked about."
    batch_doc = f"The {catalog.entity.name}s that are asked about."
    return EndpointModels(
        ask=_build("KeyRequest", ask_doc, key, config=STRICT),
        ask_batch=_build("KeysRequest", batch_doc, keys, config=STRICT),
        path_key=_text_key(),
        features=_build("FeaturesAnswer", "The live features.", {**key, **_live_fields(catalog)}),
        prediction=_build(
            "PredictionAnswer", "The prediction.", {**key, **_prediction_fields(catalog), **model}
        ),
        predictions=_build(
            "PredictionsAnswer", "The predictions.", {"predictions": entries, **model}
        ),
        reasons=_build(
            "ReasonsAnswer",
            "The prediction, and what each feature adds to it.",
            {**key, **_reasons_fields(), **model},
        ),
    )


def _build(
    name: str,
    doc: str,
    fields: dict[str, Any],
    *,
    config: ConfigDict | None = None,
    base: type[BaseModel] | None = None,
) -> type[BaseModel]:
    return create_model(name, __doc__=doc, __config__=config, __base__=base, **fields)


def optional_field(description: str, **limits: Any) -> Any:
    """Return a field that a body may leave out, and that cannot be null.

    With a plain default of None, the document would say that null is a value.
    """
    field: Any = Field
    return field(default_factory=lambda: None, description=description, **limits)


def key_field(catalog: Catalog) -> Any:
    """Return the field of one key: its type, and what the document says of it."""
    description = f"the key of the {catalog.entity.name}"
    return (key_type(catalog), Field(description=description))


def key_type(catalog: Catalog) -> Any:
    """Return the type of a key in a body."""
    if catalog.entity.type == "int":
        return Annotated[int, Field(ge=-INT64, lt=INT64)]
    return _text_key()


def key_list(catalog: Catalog, max_ids: int) -> Any:
    """Return the type of a list of keys in a body."""
    length = Field(min_length=1, max_length=max_ids)
    return Annotated[list[key_type(catalog)], length]  # type: ignore[misc]


def _text_key() -> Any:
    """Return the type of a key as text. PostgreSQL's text cannot contain NUL."""
    return Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH, pattern=r"^[^\x00]+$")]


def _entry_list(catalog: Catalog) -> Any:
    """Return the type of the entries of a batch: predictions, and reasons why there is none."""
    key = {catalog.entity.key: key_field(catalog)}
    prediction: Any = _build(
        "PredictionEntry",
        "The prediction for one key of a batch.",
        {**key, **_prediction_fields(catalog)},
    )
    refusal: Any = _build(
        "RefusedEntry",
        "The reason why there is no prediction for one key of a batch.",
        key,
        base=Refusal,
    )
    return list[prediction | refusal]


def _live_fields(catalog: Catalog) -> dict[str, Any]:
    values = Field(description="the features of the catalog")
    views = Field(description="the rows that the features come from")
    return {
        "features": (build_live_features(catalog), values),
        "as_of": _as_of_field(),
        "views": (build_live_views(catalog), views),
        "absent": (list[str], Field(description="features that have no value")),
        "expired": (list[str], Field(description="features whose value is too old")),
    }


def _prediction_fields(catalog: Catalog) -> dict[str, Any]:
    features_used = Field(description="the features of the version that answers")
    return {
        **decision_fields(),
        "features_used": (build_used_features(catalog), features_used),
    }


def _reasons_fields() -> dict[str, Any]:
    threshold = Field(description=THRESHOLD)
    unit = Field(description="the unit of base, contributions, margin and calibration")
    base = Field(description="the average output of the model on its training, not calibrated")
    margin = Field(description="the value for this key before calibration: base + contributions")
    calibration = Field(description="margin + calibration is the probability, in this unit")
    contributions = Field(description="one for each feature, the largest first")
    return {
        **decision_fields(),
        "threshold": (float | None, threshold),
        "unit": (str, unit),
        "base": (float, base),
        "margin": (float, margin),
        "calibration": (float, calibration),
        "contributions": (list[ContributionAnswer], contributions),
    }


def decision_fields() -> dict[str, Any]:
    """Return the fields that every kind of prediction has."""
    prediction = Field(description="1 from the threshold of the version on, else 0")
    probability = Field(ge=0, le=1, description="the calibrated probability")
    age_days = Field(description="the age of the oldest value at the request, in days")
    defaulted = Field(description="features whose value was absent or too old: a default was used")
    return {
        "prediction": (Literal[0, 1], prediction),
        "probability": (float, probability),
        "as_of": _as_of_field(),
        "age_days": (float, age_days),
        "defaulted": (list[str], defaulted),
    }


def _as_of_field() -> Any:
    return (datetime, Field(description="the instant that the oldest value describes"))


def describe_mistakes(error: RequestValidationError) -> str:
    """Return what is wrong with a request, in one line."""
    # FastAPI does not parse a body whose header does not say that it is JSON.
    if isinstance(error.body, bytes):
        return "body: send it with the header 'Content-Type: application/json'"
    mistakes = []
    for detail in error.errors()[:MAX_MISTAKES]:
        location = ".".join(map(str, detail["loc"]))
        is_bad_json = detail["type"] == "json_invalid"
        message = detail["ctx"]["error"] if is_bad_json else detail["msg"]
        mistakes.append(f"{location[:MAX_MISTAKE_LENGTH]}: {message[:MAX_MISTAKE_LENGTH]}")
    return "; ".join(mistakes)
