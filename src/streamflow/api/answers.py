"""The answers of the API that do not depend on the catalog, as the OpenAPI document has them.

Answers are only described by these models. The API made them itself, and to check them costs more
than to make them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Value = bool | int | float | str

THRESHOLD = "from this probability on, the prediction is 1; null: it never is"


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

    status: Literal["ok"] = Field(
        description="always ok: a process that is not alive cannot answer"
    )


class ReadyAnswer(BaseModel):
    """Whether the API can make a prediction now."""

    status: Literal["ready", "not ready"] = Field(description="ready, or not ready with reasons")
    reasons: list[str] = Field(
        description="why the API cannot predict; without a required key, only the subject of each"
    )
    notes: list[str] = Field(description="what somebody should check")


class ModelName(BaseModel):
    """The version that made this answer."""

    name: str = Field(description="the name of the registered model")
    version: int = Field(description="the number of the version")
    run_id: str = Field(description="the run of MLflow that made the version")


class PolicyAnswer(BaseModel):
    """What is served instead of a value that is absent or too old, as the catalog declares it."""

    defaults: dict[str, Value] = Field(description="feature -> the value that is served instead")
    max_age_days: dict[str, int] = Field(
        description="view -> the age in days from which on its values are too old"
    )


class ModelAnswer(ModelName):
    """The version that answers now."""

    threshold: float | None = Field(description=THRESHOLD)
    features: list[str] = Field(description="the features that the version reads, in its order")
    policy: PolicyAnswer = Field(
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

    feature: str = Field(description="the name of the feature")
    words: str = Field(description="what people call the feature")
    value: Value | None = Field(description="the value that the prediction was made from")
    population: PopulationAnswer = Field(description="what is usual among the users of training")
    contribution: float = Field(description="what the value adds to the margin, in the unit")


class LiveViewAnswer(BaseModel):
    """The row of one view: its instant and its age; null if the key has no row."""

    as_of: datetime | None = Field(description="the instant that the row describes")
    age_days: float | None = Field(description="the age of the row at the request, in days")
    max_age_days: int | None = Field(description="the age that the catalog allows; null: any age")
