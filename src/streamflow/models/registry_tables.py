"""Read MLflow's registry from its tables, where MLflow keeps them in a database of ours.

MLflow takes seconds to import, and these answers are a few rows. Nothing is written here: every
change goes through MLflow. The SQL fits one version of the tables. Where they have a different one,
the caller reads through MLflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from streamflow.database import Address, is_absent_database, translate_errors
from streamflow.database.connect import ReadOnlyDatabase, read_first_row
from streamflow.database.sql_files import Query, load_queries
from streamflow.errors import DatabaseUnavailable, VersionMissing
from streamflow.models.registry_content import RegistryContent
from streamflow.models.stages import ALIAS_BY_STAGE, RegistryStages, make_stages

QUERIES = load_queries(__file__, "registry_tables.sql")
#: The version of MLflow's tables that the SQL is for. A test compares it with the installed MLflow.
TABLES_VERSION = "dc11669786a5"
Rows = list[tuple[Any, ...]]
Parameters = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class TableVersion:
    """A version as its row in MLflow's tables. The names are those of MLflow's own class.

    Attributes:
        has_run: whether the run of the version is still there.
        files_location: the folder of the files of the run; None when the run is gone.
    """

    version: int
    run_id: str | None
    has_run: bool
    current_stage: str
    creation_timestamp: int
    last_updated_timestamp: int
    tags: Mapping[str, str]
    metric_names: list[str]
    metric_values: list[float]
    files_location: str | None


class RegistryTables:
    """Reads the tables of one registered model.

    Args:
        address: the database of MLflow.
        name: the name of the registered model.
        keeps_connection: whether all reads take place on one connection, which `close` closes. Then
            only one thread may read.
    """

    def __init__(self, address: Address, name: str, *, keeps_connection: bool = False) -> None:
        self._address = address
        self._name = name
        self._database = ReadOnlyDatabase(address, keeps_connection=keeps_connection)

    def close(self) -> None:
        """Close the connection if it was kept."""
        self._database.close()

    def read_content(
        self, *, below: int | None = None, limit: int | None = None
    ) -> RegistryContent | None:
        """Return what the registry has of the model.

        Args:
            below: only versions with smaller numbers; None: all.
            limit: how many versions at most, the newest first; None: all.

        Returns:
            None when MLflow's tables do not exist, or are not those of TABLES_VERSION.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        results = self._read(
            (QUERIES["select_versions"], [self._name, below, below, limit]),
            (QUERIES["select_aliases_and_tags"], {"name": self._name}),
        )
        if results is None:
            return None
        versions, [(aliases, tags)] = results
        return RegistryContent(
            versions=[_create_version(row) for row in versions],
            aliases=aliases,
            model_tags=tags,
            read_metrics=_read_metrics,
        )

    def read_stages(self) -> RegistryStages | None:
        """Return what the registry has about the stages of the model, without its versions.

        Returns:
            None when the model has no version, or when the tables cannot be read here.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        parameters = {"name": self._name, "stages": list(ALIAS_BY_STAGE)}
        results = self._read((QUERIES["select_stages"], parameters))
        if results is None:
            return None
        [(has_version, staged, aliases, tags)] = results[0]
        return make_stages(staged, aliases, tags) if has_version else None

    def find_run_location(self, run_id: str) -> str | None:
        """Return the folder of the files of a run.

        Returns:
            None when there is no such run, or when the tables cannot be read here.
        """
        return self._find_location(QUERIES["select_run_location"], [run_id])

    def find_model_location(self, number: int) -> str | None:
        """Return the folder of the MLflow model of a version.

        Returns:
            None when there is no such version, or when the tables cannot be read here.
        """
        return self._find_location(QUERIES["select_model_location"], [self._name, number])

    def _find_location(self, query: Query, parameters: Parameters) -> str | None:
        results = self._read((query, parameters))
        return str(results[0][0][0]) if results and results[0] else None

    def _read(self, *queries: tuple[Query, Parameters]) -> list[Rows] | None:
        """Return the rows of each query, all of one state of MLflow's tables.

        Args:
            queries: each statement with its parameters.

        Returns:
            None when MLflow's tables do not exist, or are not those of TABLES_VERSION.
        """
        with translate_errors(self._address):
            try:
                with self._database.open_transaction() as connection:
                    version = read_first_row(connection, QUERIES["select_tables_version"])
                    if version != (TABLES_VERSION,):
                        return None
                    return [
                        connection.execute(query, parameters).fetchall()
                        for query, parameters in queries
                    ]
            except DatabaseUnavailable as exc:
                if is_absent_database(exc):
                    return None
                raise


def _create_version(row: tuple[Any, ...]) -> TableVersion:
    """Create a version from a row of the query, whose columns are the fields in their order."""
    names = [field.name for field in fields(TableVersion)]
    return TableVersion(**dict(zip(names, row, strict=True)))


def _read_metrics(version: TableVersion) -> Mapping[str, float]:
    """Return the metrics of a version's run. Raise VersionMissing when the run is gone."""
    if version.run_id and not version.has_run:
        raise VersionMissing(f"MLflow: the run {version.run_id} is not found")
    return dict(zip(version.metric_names, version.metric_values, strict=True))
