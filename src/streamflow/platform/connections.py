"""The platform: everything that a step works with, each part opened when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.catalog import Catalog
from streamflow.database import (
    Address,
    Attachment,
    connect,
)
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.own_files import find_own_folder
from streamflow.files.home_catalog import HomeCatalog
from streamflow.models.artifact_locations import artifact_variables
from streamflow.packages import require_packages
from streamflow.settings import (
    Settings,
    apply_catalog_defaults,
    object_store_options,
    vendors_environment,
)
from streamflow.warehouse import installation
from streamflow.warehouse.roles import API, CONSOLE, MAINTENANCE

if TYPE_CHECKING:
    import psycopg

    from streamflow.features.repository import FeatureRepository
    from streamflow.lake.iceberg_tables import Lake
    from streamflow.models.registry import Registry
    from streamflow.models.registry_tables import RegistryTables
    from streamflow.spark.session import SparkEngine

ARTIFACTS = "artifacts"  # the folder of the artifacts, below the state folder

# PostgreSQL's word for "the role I logged in as". It must be set: PGOPTIONS names the writer role.
NO_ROLE = "none"

# MLflow compares integer columns with text, which PostgreSQL refuses from psycopg 3.
MLFLOW_DRIVER = "psycopg2"

# Surrounds a run of a step (`steps/observed.py`), and yields what is called with its receipt.
StepObserver = Callable[
    [str, "Platform", Mapping[str, object]], AbstractContextManager[Callable[[object], None]]
]


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Everything that a step needs; each part is opened when it is first used.

    settings     those of the installation, with the defaults that depend on the catalog
    catalog_file  where the catalog was read
    login        the database as its user logs in; `migrate` needs it
    address      the same database, working as the writer role or as the API's role
    attachment   the embedded server; None on a server of yours
    notify       called with each line of progress
    observer     surrounds each run of a step; None: nobody observes
    """

    settings: Settings
    catalog: Catalog
    catalog_file: HomeCatalog
    login: Address
    address: Address
    attachment: Attachment | None
    notify: Callable[[str], None]
    observer: StepObserver | None = field(default=None, repr=False)
    _closing: ExitStack = field(repr=False)
    # Empty, or the one open connection.
    _connections: list[psycopg.Connection] = field(repr=False, default_factory=list)
    # What is called before the platform is closed, by name.
    _last_calls: dict[str, Callable[[], None]] = field(repr=False, default_factory=dict)
    # The open sessions with Spark Connect servers, by address.
    _engines: dict[str, SparkEngine] = field(repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in the defaults of settings that depend on the catalog."""
        settings = apply_catalog_defaults(self.settings, self.catalog.model)
        object.__setattr__(self, "settings", settings)

    @property
    def home(self) -> Path:
        """The state folder as an absolute path."""
        return self.settings.home.absolute()

    @property
    def connection(self) -> psycopg.Connection:
        """A connection in autocommit mode as the writer role.

        Open a transaction around statements that belong together. A platform with a different
        catalog or different settings, made by `replace`, has the same connection.
        """
        if not self._connections:
            connection = self._closing.enter_context(connect(self.address, autocommit=True))
            self._connections.append(connection)
        return self._connections[0]

    def forget_lost_connection(self) -> None:
        """Let the next use open a new connection if the current one was lost.

        Only a caller that holds no lock on the connection may do this.
        """
        if self._connections and self._connections[0].closed:
            self._connections.clear()

    def call_before_closing(self, name: str, callback: Callable[[], None]) -> bool:
        """Let something be called before the platform is closed, once for each name.

        Returns:
            whether the name is new.
        """
        if name in self._last_calls:
            return False
        self._last_calls[name] = callback
        self._closing.callback(callback)
        return True

    @contextmanager
    def maintenance_connection(self) -> Iterator[psycopg.Connection]:
        """Open a connection as the only role that may change frozen rows.

        All statements on it are one transaction.
        """
        with connect(self.login.with_role(MAINTENANCE)) as connection, connection.transaction():
            yield connection

    @property
    def tracking_uri(self) -> str:
        """The address of MLflow's tracking and registry."""
        return self.settings.mlflow_tracking_uri or self._own_tracking_uri

    @property
    def _own_tracking_uri(self) -> str:
        """The address of MLflow's database on our own server."""
        # The console opens a second one as the writer. They must not share an engine of MLflow.
        return self.address.sqlalchemy_url(
            self.settings.mlflow_database,
            driver=MLFLOW_DRIVER,
            names_role=self.address.role == CONSOLE,
        )

    @property
    def artifact_root(self) -> str:
        """The address at which a new experiment keeps its artifacts."""
        return self.settings.artifact_root or (self.home / ARTIFACTS).as_uri()

    @cached_property
    def features(self) -> FeatureRepository:
        """Feast, with its repository below the state folder."""
        from streamflow.features.repository import FeatureRepository

        own_folder = find_own_folder(self.home, self.settings.feature_files)
        repository = FeatureRepository(
            self.home / "feast", self.catalog, role=self.address.role, own_folder=own_folder
        )
        self._closing.callback(repository.close)
        if not repository.is_written:
            # The files are derived: a state folder on a new machine gets them from the database.
            repository.write(self.read_services())
        return repository

    def read_services(self) -> dict[str, list[ServiceFeature]]:
        """Return every feature service that was ever defined here, with its features.

        A registered version may name an old one.
        """
        services = {}
        for name, features in installation.feature_services(self.connection).items():
            services[name] = [ServiceFeature(**feature) for feature in features]
        return services

    @cached_property
    def models(self) -> Registry:
        """MLflow's registry and tracking."""
        from streamflow.models.registry import Registry

        registry = Registry(
            self.tracking_uri,
            name=self.catalog.model,
            experiment=self.settings.experiment,
            artifact_root=self.artifact_root,
            tables=self._open_registry_tables(),
        )
        self._closing.callback(registry.close)
        return registry

    def _open_registry_tables(self) -> RegistryTables | None:
        """Return MLflow's tables if they are in a database of ours."""
        if self.tracking_uri != self._own_tracking_uri:
            return None
        from streamflow.models.registry_tables import RegistryTables

        tables = RegistryTables(
            self.address.with_database(self.settings.mlflow_database),
            self.catalog.model,
            keeps_connection=self.address.role == API,  # it asks every second, in one thread
        )
        self._closing.callback(tables.close)
        return tables

    @cached_property
    def lake(self) -> Lake:
        """The Iceberg tables in which frozen rows may lie.

        Raises:
            PackagesMissing: the extra `lake` is not installed.
        """
        require_packages("lake", "pyiceberg", subject="the package pyiceberg")
        from streamflow.lake.iceberg_tables import Lake

        lake = Lake(
            location=self.settings.lake or "",
            catalog_url=self.address.sqlalchemy_url(names_role=True, schema="lake"),
            file_options=object_store_options(),
        )
        self._closing.callback(lake.close)
        return lake

    def engine(self, remote: str) -> SparkEngine:
        """Return the session with a Spark Connect server. It is open until the platform is closed.

        Raises:
            PackagesMissing: the extra `spark` is not installed.
            EngineUnavailable: the server does not answer or refuses.
        """
        if remote not in self._engines:
            from streamflow.spark.session import open_engine

            engine = open_engine(remote)
            self._closing.callback(engine.close)
            self._engines[remote] = engine
            self.notify(f"using the engine Spark {engine.version} at {engine.address}")
        return self._engines[remote]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that a standard client needs to work on this installation."""
        return {
            **vendors_environment(self.home),
            **self.address.environment(),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_BACKEND_STORE_URI": self.tracking_uri,
            **artifact_variables(self.artifact_root, self.home / ARTIFACTS),
            "FEATURE_REPO_DIR_ENV_VAR": str(self.home / "feast"),
        }
