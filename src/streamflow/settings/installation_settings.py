"""The settings of an installation and of its services.

The file beside a catalog of somebody else may set none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from streamflow.engine_names import EngineName
from streamflow.settings.fields import (
    PREFIX,
    HttpAddress,
    LakePlace,
    Names,
    OptionalAddress,
    OptionalSecret,
    SecretHttpAddress,
    SparkAddress,
    StateFolder,
    port,
    setting,
)
from streamflow.settings.webhook_secret import WebhookSecret


class InstallationSettings(BaseSettings):
    """Where an installation keeps its state, how its services run, and what `prune` deletes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    home: StateFolder = setting(
        Path(".streamflow"),
        "the state folder: everything that streamflow keeps on this machine; "
        "as root the embedded database lies outside, where 'streamflow settings' says",
    )
    database_url: SecretStr | None = setting(
        None, "a PostgreSQL >= 15 to use instead of the embedded one"
    )
    mlflow_database: str = setting("mlflow", "the database of MLflow on the same server")
    mlflow_tracking_uri: str | None = setting(
        None,
        "an MLflow server to use instead of the database (MLFLOW_TRACKING_URI is read too)",
        validation_alias=AliasChoices(
            "STREAMFLOW_MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI", "mlflow_tracking_uri"
        ),
    )
    mlflow_page: str | None = setting(
        None,
        "where people open MLflow's page; the links of Prefect's runs begin with it. "
        "By default it is the MLflow server, or that of 'up'",
    )
    prefect_page: OptionalAddress = setting(
        None,
        "where people open Prefect's page; the console links to it. "
        "By default it is that of 'up', or of PREFECT_API_URL",
    )
    feast_page: OptionalAddress = setting(
        None,
        "where people open Feast's page; the console links to it. By default it is that of 'up'",
    )
    api_page: OptionalAddress = setting(
        None,
        "where people open the page /docs of the API; the console links to it. "
        "By default it is that of 'up'",
    )
    grafana_page: OptionalAddress = setting(
        None, "where people open Grafana; the console links to it"
    )
    catalog: Path | None = setting(
        None, "your catalog.toml; by default the built-in catalog is used"
    )
    feature_files: Path | None = setting(
        None,
        "the folder of Python files with Feast objects of your own; "
        "by default the folder features of the home, if it exists",
    )
    inbox: Path | None = setting(
        None, "the folder where drops arrive, each in its own subfolder; 'inbox' processes them"
    )
    inbox_every: int = setting(
        300, "seconds between two runs of 'inbox' by a worker that keeps the schedule", ge=5
    )
    spark_remote: SparkAddress | None = setting(
        None,
        "the Spark Connect server of the engine spark, such as sc://127.0.0.1:15002; "
        "a token can follow: sc://host:443/;token=...",
    )
    engine: EngineName = setting(
        "local",
        "where training sets are joined and drops are scored: in the process of the command "
        "(local), or on the Spark Connect server that spark_remote names (spark)",
    )
    experiment: str = setting("streamflow", "the MLflow experiment of the training runs")
    artifact_root: str | None = setting(
        None,
        "where new MLflow experiments keep artifacts, such as s3://bucket/churn; "
        "by default a folder of the home",
    )
    lake: LakePlace | None = setting(
        None,
        "where the frozen rows of new revisions are kept as Iceberg tables: a folder or "
        "s3://bucket/prefix; by default PostgreSQL keeps them",
    )
    api_host: str = setting("127.0.0.1", "the address that the API binds to")
    api_port: int = port(8000, "the API")
    api_workers: int = setting(1, "the number of processes that answer requests", ge=1, le=64)
    api_max_ids: int = setting(1000, "the most ids of one request", ge=1)
    api_max_waiting: int = setting(
        1000, "the most ids that may wait in a process; further requests get 503", ge=1
    )
    api_time_limit: float = setting(
        2.0,
        "seconds that a request may take in each phase (queue, features, model, log); "
        "after that it gets 503",
        gt=0,
        le=60,
    )
    prediction_log: Literal["block", "shed"] = setting(
        "block",
        "what happens to an answer that cannot be logged: "
        "it is refused (block), or it is given and counted as unlogged (shed)",
    )
    api_trial: Literal["on", "off"] = setting(
        "on",
        "try a version in a process of its own before it answers; off: a version loads sooner",
    )
    api_auth: Literal["auto", "on", "off"] = setting(
        "auto",
        "whether the API requires a key: on; off; or auto: on, except when it binds to loopback",
    )
    api_allowed_hosts: Names = setting(
        (),
        "host names, without port, by which clients may call the API, in addition to "
        "those of loopback and the bound host; * allows any name",
    )
    api_cors_origins: Names = setting(
        (),
        "origins whose web pages may call the API from a browser; by default no origin may",
    )
    api_root_path: str = setting(
        "",
        "the prefix of the paths of the API for its clients, such as /churn, "
        "if a proxy removes a prefix; '/docs', '/redoc' and the OpenAPI document name it",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
    )
    api_max_body: int = setting(
        1_048_576, "the largest request body, in bytes, that the API accepts", ge=1024
    )
    api_traces: str | None = setting(
        None,
        "where OpenTelemetry traces of requests are sent by OTLP over HTTP "
        "(OTEL_EXPORTER_OTLP_ENDPOINT is read too)",
        validation_alias=AliasChoices(
            "STREAMFLOW_API_TRACES", "OTEL_EXPORTER_OTLP_ENDPOINT", "api_traces"
        ),
    )
    api_client_limit: float = setting(
        10.0,
        "seconds that a client may take to send a body; "
        "the request with its headers may take 5 seconds more",
        gt=0,
        le=300,
    )
    api_address: OptionalAddress = setting(
        None,
        "where the console asks the API what it counts; "
        "by default the API of 'up', or api_host with api_port",
    )
    api_metrics_key: OptionalSecret = setting(
        None, "the API key of scope metrics that the console sends to the API"
    )
    console_host: str = setting("127.0.0.1", "the address that the console binds to")
    console_port: int = port(8400, "the console")
    console_session_hours: float = setting(
        12.0, "hours after which a person must log in to the console again", gt=0, le=720
    )
    console_max_upload: int = setting(
        104_857_600,
        "the largest drop, in bytes, that can be uploaded on a page of the console",
        ge=1024,
    )
    console_upload_limit: float = setting(
        600.0,
        "seconds that the upload of a drop on a page of the console may take; "
        "no pause in it may be longer than api_client_limit",
        gt=0,
        le=86_400,
    )
    prefect_port: int = port(4200, "Prefect's server in 'up'")
    mlflow_port: int = port(5000, "MLflow's server in 'up'")
    feast_port: int = port(6566, "Feast's server in 'up'")
    feast_ui_port: int = port(8888, "Feast's UI in 'up'")
    lineage_file: Path | None = setting(
        None, "the file to which OpenLineage events of the steps are appended, one JSON per line"
    )
    lineage_url: HttpAddress | None = setting(
        None,
        "the address to which OpenLineage events of the steps are sent, "
        "such as http://127.0.0.1:5000/api/v1/lineage",
    )
    lineage_api_key: SecretStr | None = setting(
        None, "sent to lineage_url as a bearer token, if the receiver asks for one"
    )
    lineage_namespace: str = setting(
        "streamflow",
        "the namespace of the jobs in OpenLineage events, and of data that are not on a "
        "PostgreSQL of yours",
        pattern=r"^[A-Za-z0-9._:/-]+$",
    )
    webhook_secret: WebhookSecret | None = setting(
        None, "the secret that signs webhooks: whsec_ and the base64 text of 24 to 64 bytes"
    )
    webhook_url: SecretHttpAddress | None = setting(
        None,
        "the address that gets a signed POST about each promotion, refusal and drift; "
        "it needs webhook_secret",
    )
    signing_key: Path | None = setting(
        None,
        "the PEM file of the Ed25519 key that signs a version at its promotion",
    )
    trusted_keys: Path | None = setting(
        None,
        "the PEM file of the public keys of which one must have signed a version that answers; "
        "by default no signature is required",
    )
    prediction_log_months: int | None = setting(
        None,
        "how many whole months of the prediction log 'prune' keeps before the current month; "
        "by default all are kept",
        ge=1,
    )
    score_retention_days: int | None = setting(
        None,
        "days after which 'prune' removes a run of 'score'; "
        "by default it removes only runs that a newer run replaces",
        ge=1,
    )

    @field_validator("webhook_url")
    @classmethod
    def _require_secret(cls, address: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse an address of webhooks without a usable secret: no webhook is sent unsigned."""
        if address is not None and info.data.get("webhook_secret") is None:
            raise PydanticCustomError("unsigned", "it needs webhook_secret, which signs webhooks")
        return address

    @field_validator("engine")
    @classmethod
    def _require_remote(cls, engine: str, info: ValidationInfo) -> str:
        """Refuse the engine spark where nothing says which server it is."""
        if engine == "spark" and info.data.get("spark_remote") is None:
            raise PydanticCustomError("no_remote", "spark needs spark_remote, the server's address")
        return engine
