"""How this installation is set: flags > STREAMFLOW_* > streamflow.toml > defaults. The only reader of the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streamflow.errors import SettingsInvalid

FILE = "streamflow.toml"
PREFIX = "STREAMFLOW_"


def _split(given: Any) -> Any:
    """Names in a variable are separated by commas."""
    return (
        tuple(name.strip() for name in given.split(",") if name.strip())
        if isinstance(given, str)
        else given
    )


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def semantic(default: Any, description: str, **constraints: Any) -> Any:
    """A setting that a model depends on: it goes into the passport."""
    return Field(
        default, description=description, json_schema_extra={"semantic": True}, **constraints
    )


class Settings(BaseSettings):
    """Every setting, with its default. Paths are relative to the folder where the command runs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file=FILE, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    home: Path = Field(
        Path(".streamflow"),
        description="the state folder: everything that streamflow keeps on this machine",
    )
    database_url: SecretStr | None = Field(
        None, description="a PostgreSQL >= 15 to use instead of the embedded one"
    )
    mlflow_database: str = Field("mlflow", description="the database of MLflow on the same server")
    mlflow_tracking_uri: str | None = Field(
        None,
        description="an MLflow server to use instead of the database (MLFLOW_TRACKING_URI is read too)",
        validation_alias=AliasChoices(
            "STREAMFLOW_MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI", "mlflow_tracking_uri"
        ),
    )
    catalog: Path | None = Field(
        None, description="your catalog.toml; without it the catalog of the StreamFlow data"
    )
    inbox: Path | None = Field(
        None,
        description="the folder that drops arrive in, a subfolder each: what 'inbox' processes",
    )
    inbox_every: int = Field(
        300,
        ge=5,
        description="seconds between two looks into the inbox, where a worker keeps the schedule",
    )
    experiment: str = Field("streamflow", description="the MLflow experiment of the training runs")
    artifact_root: str | None = Field(
        None,
        description="where new MLflow experiments keep artifacts, such as s3://bucket/churn; without it a folder of the home",
    )
    api_host: str = Field("127.0.0.1", description="the address that the API binds to")
    api_port: int = Field(
        8000, ge=0, le=65535, description="the port of the API; 0 takes any free one"
    )
    api_workers: int = Field(1, ge=1, le=64, description="the processes that answer requests")
    api_max_ids: int = Field(1000, ge=1, description="the most ids of one 'POST /predict/batch'")
    api_max_waiting: int = Field(
        1000,
        ge=1,
        description="the most ids that may wait in a process; what comes then is answered with 503",
    )
    api_time_limit: float = Field(
        2.0,
        gt=0,
        le=60,
        description="seconds that a request may take in each phase: queue, features, model, log; then it gets 503",
    )
    prediction_log: Literal["block", "shed"] = Field(
        "block",
        description="an answer that cannot be logged is refused (block), or given and counted as unlogged (shed)",
    )
    api_auth: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether the API asks for a key: auto, unless it is bound to loopback; on; off",
    )
    api_allowed_hosts: Names = Field(
        (),
        description="names, without port, by which the API may be called besides those of loopback and the bound host; * is any",
    )
    api_cors_origins: Names = Field(
        (), description="origins whose pages may call the API from a browser; without any none"
    )
    api_max_body: int = Field(
        1_048_576,
        ge=1024,
        description="the bytes of a request's body above which the API refuses it",
    )
    api_traces: str | None = Field(
        None,
        description="where OpenTelemetry traces of requests are sent by OTLP over HTTP (OTEL_EXPORTER_OTLP_ENDPOINT is read too)",
        validation_alias=AliasChoices(
            "STREAMFLOW_API_TRACES", "OTEL_EXPORTER_OTLP_ENDPOINT", "api_traces"
        ),
    )
    api_client_limit: float = Field(
        10.0,
        gt=0,
        le=300,
        description="seconds that a client may take to send a body; 5 more for the request with its headers",
    )
    prefect_port: int = Field(
        4200,
        ge=0,
        le=65535,
        description="the port of Prefect's server in 'up'; 0 takes any free one",
    )
    mlflow_port: int = Field(
        5000,
        ge=0,
        le=65535,
        description="the port of MLflow's server in 'up'; 0 takes any free one",
    )
    feast_port: int = Field(
        6566, ge=0, le=65535, description="the port of Feast's server in 'up'; 0 takes any free one"
    )
    feast_ui_port: int = Field(
        8888, ge=0, le=65535, description="the port of Feast's UI in 'up'; 0 takes any free one"
    )
    max_reject_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="the share of a drop's keys that 'ingest --reject-rows' may leave out",
    )
    reproduce_tolerance: float = Field(
        1e-12,
        ge=0,
        description="the difference of probabilities up to which 'reproduce' says within tolerance, not differs",
    )
    gate_policy: Literal["paired-bootstrap", "point-estimate"] = Field(
        "paired-bootstrap",
        description="what decides a promotion: the interval of the difference, or the difference itself",
    )
    gate_metric: Literal["auc", "average_precision", "brier", "value"] = Field(
        "auc",
        description="the metric that decides a promotion; value is money per user by the settings of offers",
    )
    gate_margin: float = Field(
        0.0, description="what the challenger has to be better by, in units of the metric"
    )
    gate_confidence: float = Field(
        0.95, gt=0, lt=1, description="the confidence of the interval of the difference"
    )
    gate_draws: int = Field(1000, ge=50, description="draws of the gate's bootstrap")
    gate_min_rows: int = Field(
        50, ge=20, description="the rows unseen by both versions below which nothing is compared"
    )
    retrain_min_labels: int = Field(
        200, ge=1, description="the labels of a drop below which 'retrain' does not train on it"
    )
    retrain_cooldown_hours: float = Field(
        24.0, ge=0, description="hours after a retraining in which 'retrain' begins no other"
    )
    retrain_on: Literal["schedule", "verdict"] = Field(
        "schedule",
        description="whether the worker's 'retrain' trains on all new evidence, or only where 'monitor' fires",
    )
    retrain_every: int | None = Field(
        None,
        ge=60,
        description="seconds between two runs of 'retrain' by the worker; without it they are not scheduled",
    )
    drift_psi: float = Field(
        0.1,
        gt=0,
        description="the PSI in nats from which on 'monitor' may say that a feature drifted; a convention",
    )
    drift_false_discovery: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="of the features that 'monitor' says have drifted, the share that may be false alarms",
    )
    prediction_log_months: int | None = Field(
        None,
        ge=1,
        description="whole months of the prediction log that 'prune' keeps before this one; without it all are kept",
    )
    score_retention_days: int | None = Field(
        None,
        ge=1,
        description="days after which 'prune' removes a run of 'score'; without it only those that a newer one replaces",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is logged"
    )
    log_format: Literal["console", "json"] = Field(
        "console",
        description="the form of the API's log: for people on stderr, or JSON lines on stdout",
    )

    seed: int = semantic(42, "the seed of everything random in training", ge=0, lt=2**32)
    split_salt: str = semantic(
        "streamflow", "the salt of the hash that puts each key on the training or hold-out side"
    )
    holdout_share: float = semantic(0.25, "the share of keys on the hold-out side", gt=0, lt=1)
    model: Literal["baseline", "logistic", "boosting", "auto"] = semantic(
        "baseline",
        "the kind of model: the baseline forest, logistic regression, boosted trees, or auto: the best of them",
    )
    trees: int = semantic(300, "trees of the baseline forest", gt=0)
    calibration: Literal["isotonic", "none"] = semantic(
        "isotonic",
        "how probabilities are calibrated, on out-of-fold predictions of the training side",
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["value"] = semantic(
        "value",
        "the probability from which on the prediction is 1, or value: the one that would have brought the most money",
    )
    kept_value: float = semantic(
        200.0, "what a user is worth who would have left and stays, in your currency", gt=0
    )
    offer_cost: float = semantic(20.0, "what an offer to stay costs, taken or not", ge=0)
    offer_success: float = semantic(
        0.3, "the probability that an offer keeps one who would have left", gt=0, le=1
    )
    offer_budget: float | None = semantic(
        None, "the most that the offers of one drop may cost; without it there is no limit", ge=0
    )
    bootstrap_draws: int = semantic(500, "draws of the bootstrap interval of AUC", ge=50)

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # the names are pydantic's
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, file: nothing else is read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def semantic_values(self) -> dict[str, dict[str, Any]]:
        """The settings that a model depends on, each with value and origin: never paths, URLs, ports or secrets."""
        names = [name for name, field in type(self).model_fields.items() if _is_semantic(field)]
        return {name: {"value": getattr(self, name), "origin": self.origin(name)} for name in names}

    def origin(self, name: str) -> str:
        """Where the value of a setting comes from: flag, the name of a variable, the name of the file, default."""
        return self._origins.get(name, "default")

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """The same with other values of some settings. A name that this code does not know is left out. Raises ValidationError."""
        known = {name: value for name, value in values.items() if name in type(self).model_fields}
        return Settings(
            **{**{name: getattr(self, name) for name in type(self).model_fields}, **known}
        )


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """One line of `streamflow settings`."""

    name: str
    value: str
    origin: str
    description: str


def _is_semantic(field: Any) -> bool:
    return bool((field.json_schema_extra or {}).get("semantic"))


def load_settings(**flags: Any) -> Settings:
    """Read the settings; `flags` win over everything, None means not given.

    Raises SettingsInvalid with all mistakes.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        _refuse_unknown_variables()
        settings = Settings(**given)
        settings._origins.update(
            _origins(given)
        )  # our own class, filled where its sources are known
    except ValidationError as exc:
        mistakes = [
            f"setting '{'.'.join(map(str, e['loc'])) or '?'}': {e['msg']}"
            for e in exc.errors(include_input=False)
        ]
        raise SettingsInvalid("\n".join(mistakes), violations=mistakes) from exc
    except ValueError as exc:  # a malformed TOML file
        raise SettingsInvalid(f"{FILE}: {exc}") from exc
    return settings


FOREIGN_NAMES = {
    "mlflow_tracking_uri": ["MLFLOW_TRACKING_URI"],
    "api_traces": ["OTEL_EXPORTER_OTLP_ENDPOINT"],
}


def _origins(flags: Mapping[str, Any]) -> dict[str, str]:
    """Where each setting that is no default comes from."""
    found = dict.fromkeys(TomlConfigSettingsSource(Settings)(), FILE)
    for name in Settings.model_fields:
        variables = [f"{PREFIX}{name}".upper(), *FOREIGN_NAMES.get(name, [])]
        found.update((name, variable) for variable in reversed(variables) if variable in os.environ)
    return {**found, **dict.fromkeys(flags, "flag")}


def _refuse_unknown_variables() -> None:
    """A typo in a variable's name must not be ignored."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsInvalid("\n".join(f"no setting is called {name}" for name in unknown))


def explain(settings: Settings) -> list[SettingRow]:
    """Each setting with its value and where that comes from; secrets are masked."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        text = "" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
        rows.append(
            SettingRow(
                name=name,
                value=text,
                origin=settings.origin(name),
                description=field.description or "",
            )
        )
    return rows


def inherited_environment() -> dict[str, str]:
    """A copy of this process's environment, for a child process."""
    return dict(os.environ)


FOREIGN = (PREFIX, "PG", "MLFLOW_", "PREFECT_", "FEATURE_REPO_", "PYTHON")


def clean_environment() -> dict[str, str]:
    """The same without all that names an installation, a server or other code: for a child that must find its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


@contextmanager
def exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that vendors (libpq, MLflow, Feast, Prefect) read on their own; at the end all is as before."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
