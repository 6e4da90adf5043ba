"""What the endpoints take and answer, for the OpenAPI document; names and types of features come from the catalog.

What is asked is checked by it. What is answered is described: it was made by us, and checking it again costs more than making it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from streamflow.api.endpoint_scopes import OPEN
from streamflow.catalog import Catalog

LONGEST_KEY = 2704  # what a row of PostgreSQL's B-tree holds: nobody has a longer one
INT64 = 2**63
TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "string": str}
SHOWN = 200  # of each mistake in a body: it may quote what was sent


class Refusal(BaseModel):
    """Every error."""

    model_config = ConfigDict(extra="allow")

    error: str = Field(description="where and what, for people")
    code: str = Field(description="for machines: stable")
    remedy: str | None = Field(None, description="what to do next")
    missing_features: list[str] | None = Field(None, description="the features that have no value")
    stale_features: list[str] | None = Field(
        None, description="the features whose value is too old"
    )


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    """Whether a prediction can be made now."""

    status: Literal["ready", "not ready"]
    reasons: list[str] = Field(
        description="why none can be made; without a key, where one is asked for, only what it is about"
    )
    notes: list[str] = Field(description="what should be looked at")


class ModelName(BaseModel):
    """The version that has answered."""

    name: str
    version: int
    run_id: str


class ModelAnswer(ModelName):
    """The version that answers."""

    threshold: float
    features: list[str]
    policy: dict[str, dict[str, Any]] = Field(
        description="what is served where a value is absent or too old"
    )
    default_costs: dict[str, dict[str, float]] = Field(
        description="what the defaults cost on the hold-out of the training"
    )
    since: datetime | None = Field(description="from when on it is in Production, by the ledger")
    loaded: datetime | None = Field(description="from when on it answers here")


class PopulationAnswer(BaseModel):
    """A feature among those that the version learned from; null where the version does not say."""

    mean: float | None = Field(description="of a number; of a bool the share of true")
    share: float | None = Field(
        description="of those with the same category, or without a value as well"
    )


class ContributionAnswer(BaseModel):
    """What one feature adds to the margin."""

    feature: str
    words: str
    value: bool | int | float | str | None
    population: PopulationAnswer
    contribution: float


class LiveViewAnswer(BaseModel):
    """One view's row: its instant and age; null where the key has none."""

    as_of: datetime | None
    age_days: float | None
    max_age_days: int | None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one catalog makes of the endpoints on users."""

    ask: type[BaseModel]
    ask_batch: type[BaseModel]
    path_key: Any  # the type of a key in a path
    features: type[BaseModel]
    prediction: type[BaseModel]
    predictions: type[BaseModel]
    reasons: type[BaseModel]


def answers_of(catalog: Catalog, max_ids: int) -> Answers:
    """The models of a catalog; a batch asks for at most `max_ids`."""
    of_body: Any = (
        Annotated[int, Field(ge=-INT64, lt=INT64)] if catalog.entity.type == "int" else _text_key()
    )
    key: dict[str, Any] = {catalog.entity.key: (of_body, ...)}
    value = {f.name: (TYPES[f.column.type] | None, ...) for f in catalog.features}
    values = create_model("FeatureValues", **value)  # type: ignore[call-overload]  # names of the catalog
    strict = ConfigDict(extra="forbid", strict=True)
    keys: dict[str, Any] = {
        f"{catalog.entity.key}s": (
            Annotated[list[of_body], Field(min_length=1, max_length=max_ids)],
            ...,
        )
    }
    entry: Any = create_model("PredictionEntry", **key, **_prediction())
    refused: Any = create_model("RefusedEntry", __base__=Refusal, **key)
    entries: Any = list[entry | refused]  # of values: they are made here
    return Answers(
        ask=create_model("Ask", __config__=strict, **key),
        ask_batch=create_model("AskBatch", __config__=strict, **keys),
        path_key=_text_key(),
        features=create_model("FeaturesAnswer", **key, features=(values, ...), **_live()),
        prediction=create_model("PredictionAnswer", **key, **_prediction(), model=(ModelName, ...)),
        predictions=create_model(
            "PredictionsAnswer", predictions=(entries, ...), model=(ModelName, ...)
        ),
        reasons=create_model("ReasonsAnswer", **key, **_reasons(), model=(ModelName, ...)),
    )


def _live() -> dict[str, Any]:
    return {
        "as_of": (datetime, Field(description="the instant that the oldest value describes")),
        "views": (dict[str, LiveViewAnswer], ...),
        "absent": (list[str], Field(description="features that have no value")),
        "expired": (list[str], Field(description="features whose value is too old")),
    }


def _prediction() -> dict[str, Any]:
    used = dict[str, bool | int | float | str | None]
    return {
        **_decided(),
        "features_used": (used, Field(description="those of the version that answers")),
    }


def _reasons() -> dict[str, Any]:
    return {
        **_decided(),
        "threshold": (
            float,
            Field(description="the probability from which on the prediction is 1"),
        ),
        "unit": (str, Field(description="of base, margin and contributions")),
        "base": (
            float,
            Field(description="what the version says of the population that it learned from"),
        ),
        "margin": (
            float,
            Field(description="what it says of this key before calibration: base + contributions"),
        ),
        "contributions": (list[ContributionAnswer], ...),
    }


def _decided() -> dict[str, Any]:
    return {
        "prediction": (Literal[0, 1], ...),
        "probability": (Annotated[float, Field(ge=0, le=1)], ...),
        "as_of": (datetime, Field(description="the instant that the oldest value describes")),
        "age_days": (float, Field(description="how long before the request that was, in days")),
        "defaulted": (
            list[str],
            Field(
                description="features whose default stood in for a value that is absent or too old"
            ),
        ),
    }


def _text_key() -> Any:
    """A key as text. PostgreSQL's text has no NUL."""
    return Annotated[str, Field(min_length=1, max_length=LONGEST_KEY, pattern=r"^[^\x00]+$")]


def ok(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answer with status 200, described by `model` and not checked against it."""
    return {200: {"model": model, "description": (model.__doc__ or "").strip() or "The answer."}}


def _refusals(**words: str) -> dict[int | str, dict[str, Any]]:
    return {
        int(status[1:]): {"model": Refusal, "description": text} for status, text in words.items()
    }


REFUSALS = _refusals(
    _400="a host that is not one of api_allowed_hosts",
    _401="no key in force",
    _403="the key's scope is not enough",
    _404="nobody has this key",
    _405="the path has no such method",
    _408="the body did not arrive in time",
    _413="the body is larger than api_max_body",
    _422="malformed, or features have no value",
    _500="not foreseen: the log has it under the request's id",
    _503="a part is away, or no version is in Production",
)


def mistakes(error: RequestValidationError) -> str:
    """What is wrong with a request, in one line."""
    found = [
        (
            ".".join(map(str, e["loc"])),
            e["ctx"]["error"] if e["type"] == "json_invalid" else e["msg"],
        )
        for e in error.errors()
    ]
    return "; ".join(f"{where[:SHOWN]}: {words[:SHOWN]}" for where, words in found[:5])


def describe_keys(app: FastAPI, *, needed: bool) -> None:
    """Say in the OpenAPI document how a key is sent, where one is asked for."""
    if not needed:
        return
    made = app.openapi

    def described() -> dict[str, Any]:
        document = made()
        schemes = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document.setdefault("components", {})["securitySchemes"] = schemes
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path in OPEN else [{"bearer": []}, {"header": []}]
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend the document
