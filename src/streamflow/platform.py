"""The platform: opens and closes what a step works with. The only place that wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.catalog import Catalog, load_catalog
from streamflow.database import (
    Address,
    Attachment,
    adbc,
    attach,
    connect,
    from_url,
    last_words,
    translated,
)
from streamflow.errors import NotMigrated
from streamflow.features.feature_service import ServiceFeature
from streamflow.settings import Settings, exported
from streamflow.warehouse import installation
from streamflow.warehouse.roles import MAINTENANCE, SCHEMA_VERSION, WRITER

if TYPE_CHECKING:
    import psycopg

    from streamflow.features.repository import FeatureRepository
    from streamflow.models.registry import Registry

DATABASE = "streamflow"  # on the embedded server; elsewhere the URL names it

NO_ROLE = "none"  # PostgreSQL's word for "as I logged in"; said aloud, since PGOPTIONS of this process names the writer

MLFLOW_DRIVER = (
    "psycopg2"  # MLflow compares integer columns with text, which PostgreSQL refuses from psycopg 3
)

VENDOR_DEFAULTS = {  # no vendor calls home, and Prefect keeps its state with ours
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "FEAST_USAGE": "False",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
}


def vendors_environment(home: Path) -> dict[str, str]:
    """What vendors need to know that do not work on PostgreSQL; `home` is absolute."""
    return {**VENDOR_DEFAULTS, "PREFECT_HOME": str(home / "prefect")}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Everything that a step needs, opened when first used."""

    settings: Settings
    catalog: Catalog
    login: Address  # as the database user logs in: for `migrate`
    address: Address  # the same, working as the writer role, or as the API's
    attachment: Attachment | None
    notify: Callable[[str], None]
    _closing: ExitStack = field(repr=False)
    _connections: list[psycopg.Connection] = field(
        repr=False, default_factory=list
    )  # one, once it was asked for

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.settings.home.absolute()

    @property
    def connection(self) -> psycopg.Connection:
        """A connection in autocommit mode as the writer role: open a transaction around what belongs together.

        A platform with another catalog or other settings, made by `replace`, has the same one.
        """
        if not self._connections:
            self._connections.append(
                self._closing.enter_context(connect(self.address, autocommit=True))
            )
        return self._connections[0]

    def forget_lost_connection(self) -> None:
        """Let the next use open a new connection where this one was lost. Only for one that holds no lock on it."""
        if self._connections and self._connections[0].closed:
            self._connections.clear()

    @contextmanager
    def maintenance(self) -> Iterator[psycopg.Connection]:
        """A connection as the one role that may change frozen rows; what it does is one transaction."""
        with connect(self.login.with_role(MAINTENANCE)) as connection, connection.transaction():
            yield connection

    @property
    def tracking_uri(self) -> str:
        """Where MLflow's tracking and registry are."""
        ours = self.address.sqlalchemy_url(self.settings.mlflow_database, driver=MLFLOW_DRIVER)
        return self.settings.mlflow_tracking_uri or ours

    @property
    def artifact_root(self) -> str:
        """Where a new experiment keeps its artifacts."""
        return self.settings.artifact_root or (self.home / "artifacts").as_uri()

    @cached_property
    def features(self) -> FeatureRepository:
        """Feast, on the repository below the state folder."""
        from streamflow.features.repository import FeatureRepository

        repository = FeatureRepository(self.home / "feast", self.catalog, role=self.address.role)
        self._closing.callback(repository.close)
        if (
            not repository.is_written
        ):  # the files are derived: another machine's state folder gets them from the database
            repository.write(self.services())
        return repository

    def services(self) -> dict[str, list[ServiceFeature]]:
        """Every feature service that was ever defined here: a registered version may name it."""
        stored = installation.services(self.connection)
        return {
            name: [ServiceFeature(**feature) for feature in features]
            for name, features in stored.items()
        }

    @cached_property
    def models(self) -> Registry:
        """MLflow's registry and tracking."""
        from streamflow.models.registry import Registry

        registry = Registry(
            self.tracking_uri,
            name=self.catalog.model,
            experiment=self.settings.experiment,
            artifact_root=self.artifact_root,
        )
        self._closing.callback(registry.close)
        return registry

    @property
    def environment(self) -> dict[str, str]:
        """What a stock client needs to work on this installation."""
        return {
            **vendors_environment(self.home),
            **self.address.environment(),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_BACKEND_STORE_URI": self.tracking_uri,
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": self.artifact_root,
            "FEATURE_REPO_DIR_ENV_VAR": str(self.home / "feast"),
        }


@contextmanager
def open_platform(
    settings: Settings,
    *,
    notify: Callable[[str], None] = lambda _: None,
    migrated: bool = True,
    role: str = WRITER,
) -> Iterator[Platform]:
    """Start or reach PostgreSQL and hand out the platform; everything is closed at the end. All works as `role`, vendors too.

    Raises NotMigrated when the database is not what the code and the catalog ask for, unless `migrated` is False.
    """
    with ExitStack() as closing:
        platform = _wire(settings, notify, closing, role)
        held = platform.attachment
        closing.enter_context(
            translated(platform.login, partial(last_words, held.place) if held else str)
        )
        if migrated:
            require_migrated(platform)
        yield platform


def _wire(
    settings: Settings, notify: Callable[[str], None], closing: ExitStack, role: str
) -> Platform:
    catalog = load_catalog(settings.catalog)
    attachment = None
    if settings.database_url is None:
        attachment = closing.enter_context(attach(settings.home.absolute(), notify=notify))
        login = attachment.address.with_database(DATABASE)
    else:
        login = from_url(settings.database_url.get_secret_value())
    platform = Platform(
        settings=settings,
        catalog=catalog,
        login=login.with_role(NO_ROLE),
        address=login.with_role(role),
        attachment=attachment,
        notify=notify,
        _closing=closing,
    )
    closing.enter_context(exported(platform.environment))
    closing.enter_context(adbc.kept(platform.address))
    return platform


def require_migrated(platform: Platform) -> None:
    """Raise NotMigrated unless the database is what the code and the catalog ask for."""
    found = installation.state(platform.login)
    if found is None:
        raise NotMigrated(
            "the database is empty",
            remedy="Run 'streamflow run DIR --as-of D' with your first drop, or 'streamflow migrate'.",
        )
    if found.schema_version != SCHEMA_VERSION:
        raise NotMigrated(
            f"the database has schema version {found.schema_version}, this code needs {SCHEMA_VERSION}"
        )
    if found.catalog_digest != platform.catalog.digest:
        raise NotMigrated("the catalog has changed since the last 'streamflow migrate'")
