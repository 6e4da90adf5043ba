"""Read the versions of one registered model: from MLflow's tables, or through MLflow's client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streamflow.errors import VersionMissing
from streamflow.models.mlflow_client import translate_mlflow_errors
from streamflow.models.model_version import ModelVersion, create_model_version
from streamflow.models.registry_content import RegistryContent, read_by_client
from streamflow.models.registry_repair import refuse_renamed_model
from streamflow.models.registry_tables import RegistryTables
from streamflow.models.stages import RegistryStages, find_stages

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


# How many numbers an error lists. A registry may have thousands of versions.
NUMBERS_SHOWN = 20


class RegistryReader:
    """Reads the versions of one registered model.

    Args:
        connect: returns the connection to MLflow.
        name: the name of the registered model.
        tables: MLflow's tables, if they may be read without MLflow.
    """

    def __init__(
        self,
        connect: Callable[[], MlflowClient],
        *,
        name: str,
        tables: RegistryTables | None,
    ) -> None:
        self._connect = connect
        self._name = name
        self._tables = tables

    def read_content(
        self, *, below: int | None = None, limit: int | None = None
    ) -> RegistryContent:
        """Read this model from MLflow's tables if they are ours, else through MLflow's client.

        Args:
            below: only versions with smaller numbers; None: all.
            limit: how many versions at most, the newest first; None: all.

        Raises:
            ModelRenamed: the model has no version under its name.
        """
        known_content = None
        if self._tables:
            known_content = self._tables.read_content(below=below, limit=limit)
        if known_content is not None and (known_content.versions or below is not None):
            return known_content
        with translate_mlflow_errors():
            client = self._connect()
            content = read_by_client(client, self._name, below=below, limit=limit)
            if not content.versions and below is None:
                refuse_renamed_model(client, self._name)
            return content

    def read_stages(self) -> RegistryStages:
        """Read the stages from MLflow's tables if they are ours, else through MLflow's client.

        Raises:
            ModelRenamed: the model has no version under its name.
        """
        known_stages = self._tables.read_stages() if self._tables else None
        return known_stages or find_stages(self.read_content())

    def versions(self, *, below: int | None = None, limit: int | None = None) -> list[ModelVersion]:
        """Return the versions, the newest first: see `read_content` for the parameters."""
        content = self.read_content(below=below, limit=limit)
        return [_create_version(version, content) for version in content.versions]

    def find_version(self, number: int) -> ModelVersion | None:
        """Return a version, or None when it does not exist."""
        content = self.read_content(below=number + 1, limit=1)
        for version in content.versions:
            if int(version.version) == number:
                return _create_version(version, content)
        self.read_content(limit=1)  # refuses a model that was renamed
        return None

    def version(self, number: int) -> ModelVersion:
        """Return the version of this number.

        Raises:
            VersionMissing: it does not exist.
        """
        version = self.find_version(number)
        if version is None:
            newest = self.versions(limit=NUMBERS_SHOWN)
            numbers = [str(existing.version) for existing in reversed(newest)]
            listed = "the newest are" if len(numbers) == NUMBERS_SHOWN else "there are"
            raise VersionMissing(
                f"{self._name} has no version {number}; {listed}: {', '.join(numbers) or 'none'}",
                version=number,
            )
        return version

    def version_of_run(self, run_id: str) -> ModelVersion:
        """Return the version that a run registered.

        Raises:
            VersionMissing: there is no such version.
        """
        content = self.read_content()
        versions = [version for version in content.versions if version.run_id == run_id]
        if not versions:
            raise VersionMissing(
                f"no version of {self._name} comes from the run '{run_id}'",
                run_id=run_id,
            )
        return _create_version(versions[0], content)


def _create_version(version: Any, content: RegistryContent) -> ModelVersion:
    """Create a ModelVersion from a version of the registry, with the metrics of its run."""
    return create_model_version(version, content.read_metrics(version), content.aliases)
