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

from streamflow.api.access import OPEN
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


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    """Whether a prediction can be made now."""

    status: Literal["ready", "not ready"]
    reasons: list[str] = Field(description="why none can be made; without a key, where one is asked for, only what it is about")
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


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one catalog makes of the endpoints on users."""

    ask: type[BaseModel]
    path_key: Any  # the type of a key in a path
    key: Any  # the type of a key in a body
    features: type[BaseModel]
    prediction: type[BaseModel]


def answers_of(catalog: Catalog) -> Answers:
    """The models of a catalog."""
    of_body = Annotated[int, Field(ge=-INT64, lt=INT64)] if catalog.entity.type == "int" else _text_key()
    key: dict[str, Any] = {catalog.entity.key: (of_body, ...)}
    value = {f.name: (TYPES[f.column.type] | None, ...) for f in catalog.features}
    values = create_model("FeatureValues", **value)  # type: ignore[call-overload]  # names of the catalog
    described: dict[str, Any] = {"as_of": (datetime, Field(description="the instant that the oldest value describes"))}
    used = dict[str, bool | int | float | str | None]
    return Answers(
        ask=create_model("Ask", __config__=ConfigDict(extra="forbid", strict=True), **key),
        path_key=_text_key(),
        key=of_body,
        features=create_model("FeaturesAnswer", **key, features=(values, ...), **described),
        prediction=create_model(
            "PredictionAnswer",
            **key,
            prediction=(Literal[0, 1], ...),
            probability=(Annotated[float, Field(ge=0, le=1)], ...),
            features_used=(used, Field(description="those of the version that answers")),
            model=(ModelName, ...),
            **described,
        ),
    )


def _text_key() -> Any:
    """A key as text. PostgreSQL's text has no NUL."""
    return Annotated[str, Field(min_length=1, max_length=LONGEST_KEY, pattern=r"^[^\x00]+$")]


def ok(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answer with status 200, described by `model` and not checked against it."""
    return {200: {"model": model, "description": (model.__doc__ or "").strip() or "The answer."}}


def _refusals(**words: str) -> dict[int | str, dict[str, Any]]:
    return {int(status[1:]): {"model": Refusal, "description": text} for status, text in words.items()}


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
    found = [(".".join(map(str, e["loc"])), e["ctx"]["error"] if e["type"] == "json_invalid" else e["msg"]) for e in error.errors()]
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
