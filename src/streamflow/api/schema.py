"""The requests and answers of the endpoints, for validation and for the OpenAPI document.

Names and types of features come from the catalog. Requests are checked against these models.
Answers are only described by them: we made them, and to check them costs more than to make them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from streamflow.api.endpoint_scopes import OPEN_PATHS
from streamflow.catalog import Catalog
from streamflow.column_types import COLUMN_TYPES

# The largest row that PostgreSQL's B-tree index holds, so no stored key is longer.
MAX_KEY_LENGTH = 2704
INT64 = 2**63

# An answer names at most this many mistakes of a body, with so many characters of each, because a
# mistake may quote what the client sent.
MAX_MISTAKES = 5
MAX_MISTAKE_LENGTH = 200

THRESHOLD = "from this probability on, the prediction is 1; null: it never is"
AS_OF = Field(description="the instant that the oldest value describes")


class Refusal(BaseModel):
    """The answer to a request that failed."""

    model_config = ConfigDict(extra="allow")

    error: str = Field(description="where and what went wrong, for people")
    code: str = Field(description="the kind of error, for machines; it never changes")
    remedy: str | None = Field(None, description="what to do next")
    missing_features: list[str] | None = Field(None, description="the features that have no value")
    stale_features: list[str] | None = Field(
        None,
        description="the features whose value is too old",
    )


class HealthAnswer(BaseModel):
    """The process of the API is alive."""

    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    """Whether the API can make a prediction now."""

    status: Literal["ready", "not ready"]
    reasons: list[str] = Field(
        description="why the API cannot predict; a caller without a required key sees only the part"
    )
    notes: list[str] = Field(description="what somebody should check")


class ModelName(BaseModel):
    """The version that made this answer."""

    name: str
    version: int
    run_id: str


class ModelAnswer(ModelName):
    """The version that answers now."""

    threshold: float | None = Field(description=THRESHOLD)
    features: list[str]
    policy: dict[str, dict[str, Any]] = Field(
        description="what is used instead of a value that is absent or too old"
    )
    default_costs: dict[str, dict[str, float]] = Field(
        description="how much the defaults change the predictions of the training's hold-out"
    )
    since: datetime | None = Field(
        description="since when the version is in Production, by the ledger"
    )
    loaded: datetime | None = Field(description="since when this process answers with it")


class PopulationAnswer(BaseModel):
    """A feature among the users of the training; null if the version does not store it."""

    mean: float | None = Field(description="the mean of a number; of a bool the share of true")
    share: float | None = Field(
        description="the share of users with the same category, or that have no value either"
    )


class ContributionAnswer(BaseModel):
    """How much one feature adds to the margin."""

    feature: str
    words: str
    value: bool | int | float | str | None
    population: PopulationAnswer
    contribution: float


class LiveViewAnswer(BaseModel):
    """The row of one view: its instant and its age; null if the key has no row."""

    as_of: datetime | None
    age_days: float | None
    max_age_days: int | None


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
    body_key = _body_key(catalog)
    key: dict[str, Any] = {key_name: (body_key, ...)}
    keys: dict[str, Any] = {f"{key_name}s": (_key_list(body_key, max_ids), ...)}
    model = (ModelName, ...)
    strict = ConfigDict(extra="forbid", strict=True)
    feature_types: dict[str, Any] = {
        feature.name: (_python_type(feature.column.type) | None, ...)
        for feature in catalog.features
    }
    feature_values = create_model("FeatureValues", **feature_types)
    prediction_entry: Any = create_model("PredictionEntry", **key, **_prediction_fields())
    refused_entry: Any = create_model("RefusedEntry", __base__=Refusal, **key)
    entries: Any = list[prediction_entry | refused_entry]
    return EndpointModels(
        ask=create_model("Ask", __config__=strict, **key),
        ask_batch=create_model("AskBatch", __config__=strict, **keys),
        path_key=_text_key(),
        features=create_model(
            "FeaturesAnswer", **key, features=(feature_values, ...), **_live_fields()
        ),
        prediction=create_model("PredictionAnswer", **key, **_prediction_fields(), model=model),
        predictions=create_model("PredictionsAnswer", predictions=(entries, ...), model=model),
        reasons=create_model("ReasonsAnswer", **key, **_reasons_fields(), model=model),
    )


def _python_type(column_type: str) -> type:
    python_type = COLUMN_TYPES[column_type].python
    assert python_type is not None  # the catalog refuses a feature of a type without one
    return python_type


def _body_key(catalog: Catalog) -> Any:
    if catalog.entity.type == "int":
        return Annotated[int, Field(ge=-INT64, lt=INT64)]
    return _text_key()


def _key_list(body_key: Any, max_ids: int) -> Any:
    length = Field(min_length=1, max_length=max_ids)
    return Annotated[list[body_key], length]


def _text_key() -> Any:
    """Return the type of a key as text. PostgreSQL's text cannot contain NUL."""
    return Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH, pattern=r"^[^\x00]+$")]


def _live_fields() -> dict[str, Any]:
    return {
        "as_of": (datetime, AS_OF),
        "views": (dict[str, LiveViewAnswer], ...),
        "absent": (list[str], Field(description="features that have no value")),
        "expired": (list[str], Field(description="features whose value is too old")),
    }


def _prediction_fields() -> dict[str, Any]:
    values = dict[str, bool | int | float | str | None]
    features_used = Field(description="the features of the version that answers")
    return {**_decision_fields(), "features_used": (values, features_used)}


def _reasons_fields() -> dict[str, Any]:
    threshold = Field(description=THRESHOLD)
    unit = Field(description="the unit of base, contributions, margin and calibration")
    base = Field(description="the average output of the model on its training, not calibrated")
    margin = Field(description="the value for this key before calibration: base + contributions")
    calibration = Field(description="margin + calibration is the probability, in this unit")
    return {
        **_decision_fields(),
        "threshold": (float | None, threshold),
        "unit": (str, unit),
        "base": (float, base),
        "margin": (float, margin),
        "calibration": (float, calibration),
        "contributions": (list[ContributionAnswer], ...),
    }


def _decision_fields() -> dict[str, Any]:
    age_days = Field(description="the age of the oldest value at the request, in days")
    defaulted = Field(description="features whose value was absent or too old: a default was used")
    return {
        "prediction": (Literal[0, 1], ...),
        "probability": (Annotated[float, Field(ge=0, le=1)], ...),
        "as_of": (datetime, AS_OF),
        "age_days": (float, age_days),
        "defaulted": (list[str], defaulted),
    }


def ok(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe the answer with status 200 by `model`, without checking it."""
    return {200: {"model": model, "description": (model.__doc__ or "").strip() or "The answer."}}


def _describe_errors(descriptions: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": Refusal, "description": description}
        for status, description in descriptions.items()
    }


ERROR_ANSWERS = _describe_errors(
    {
        400: "the host is not in the setting api_allowed_hosts",
        401: "the request has no key in force",
        403: "the scope of the key is not enough",
        404: "the key of the user, or the path, does not exist",
        405: "the path does not have this method",
        408: "the body did not arrive in time",
        413: "the body is larger than the setting api_max_body",
        422: "the request is malformed, or features have no value",
        431: "the request line and the headers are too large, or there are too many headers",
        500: "unforeseen: the log has the details under the id of the request",
        503: "a part of the installation does not answer, or no version is in Production",
    }
)


def describe_mistakes(error: RequestValidationError) -> str:
    """Return what is wrong with a request, in one line."""
    mistakes = []
    for detail in error.errors()[:MAX_MISTAKES]:
        location = ".".join(map(str, detail["loc"]))
        is_bad_json = detail["type"] == "json_invalid"
        message = detail["ctx"]["error"] if is_bad_json else detail["msg"]
        mistakes.append(f"{location[:MAX_MISTAKE_LENGTH]}: {message[:MAX_MISTAKE_LENGTH]}")
    return "; ".join(mistakes)


def describe_keys(app: FastAPI, *, needed: bool) -> None:
    """Describe in the OpenAPI document how a client sends its key, if a key is needed."""
    if not needed:
        return
    build_document = app.openapi

    def build_document_with_keys() -> dict[str, Any]:
        document = build_document()
        schemes = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document.setdefault("components", {})["securitySchemes"] = schemes
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = (
                    [] if path in OPEN_PATHS else [{"bearer": []}, {"header": []}]
                )
        return document

    # FastAPI itself documents this way to extend the document.
    app.openapi = build_document_with_keys  # type: ignore[method-assign]
