"""Download the files of a version from MLflow, and load a predictor from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from streamflow.core.versions.version_files import (
    BACKGROUND,
    DECISION,
    MODEL,
    STORED_REQUESTS,
    VersionFile,
    is_unchanged,
)
from streamflow.errors import ArtifactUntrusted
from streamflow.models import version_trial
from streamflow.models.artifact_locations import local_path
from streamflow.models.artifact_store import fetch, read_local_file
from streamflow.models.mlflow_client import translate_mlflow_errors
from streamflow.models.model_version import ModelVersion
from streamflow.models.registry_tables import RegistryTables

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from streamflow.core.training.decision import Decision
    from streamflow.models.predictor import Predictor
    from streamflow.models.trial_process import TrialProcess


class VersionFiles:
    """The files of the versions of one registered model.

    Args:
        tracking_uri: the address of MLflow.
        name: the name of the registered model.
        connect: returns the connection to MLflow. The first call also sets the store in which
            MLflow looks up artifacts.
        tables: MLflow's tables, if they may be read without MLflow.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        name: str,
        connect: Callable[[], MlflowClient],
        tables: RegistryTables | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._name = name
        self._connect = connect
        self._tables = tables

    def fetch(self, version: ModelVersion, folder: Path) -> tuple[Path, Path]:
        """Download the MLflow model of a version and the files beside it.

        Returns:
            The folder of the MLflow model, and the folder of the files.

        Raises:
            ArtifactUntrusted: a download fails, or the model file is missing.
        """
        failure = self._describe_unreadable(version)
        package = self.fetch_package(version, folder / "model")
        files = fetch(self._uri, folder / "files", failure=failure, run_id=version.run_id)
        if not (package / MODEL.name).is_file():
            raise ArtifactUntrusted(f"{failure}: there is no {MODEL.name}")
        return package, files

    def fetch_package(self, version: ModelVersion, folder: Path) -> Path:
        """Download the MLflow model of a version, and return its folder.

        Raises:
            ArtifactUntrusted: the download fails.
        """
        return fetch(
            self._uri,
            folder,
            failure=self._describe_unreadable(version),
            artifact_uri=self._find_location(version),
        )

    def fetch_model_file(self, version: ModelVersion, folder: Path) -> Path:
        """Download the model file of a version, and return its path.

        Raises:
            ArtifactUntrusted: the download fails.
        """
        failure = f"{self._describe(version)} has no {MODEL.name}"
        location = self._find_location(version)
        package = local_path(location)
        if package is None:
            self._connect()
            uri = f"{location}/{MODEL.name}"
            return fetch(self._uri, folder, failure=failure, artifact_uri=uri)
        copy = folder / MODEL.name
        copy.write_bytes(read_local_file(package / MODEL.name, failure=failure))
        return copy

    def read_version_file(self, version: ModelVersion, name: str) -> bytes:
        """Return the content of a file beside the model of a version.

        Raises:
            ArtifactUntrusted: there is no such file.
        """
        return self.read_run_file(version.run_id, name, location=version.files_location)

    def read_run_file(self, run_id: str, name: str, *, location: str | None = None) -> bytes:
        """Return the content of a file beside the model of a run.

        Args:
            run_id: the run.
            name: the name of the file.
            location: the folder of the files of the run; None: it is looked up.

        Raises:
            ArtifactUntrusted: there is no such file.
        """
        failure = f"the run {run_id} has no {name}"
        if location is None and self._tables:
            location = self._tables.find_run_location(run_id)
        files = local_path(location) if location else None
        if files is not None:
            return read_local_file(files / name, failure=failure)
        self._connect()
        with TemporaryDirectory() as folder:
            path = fetch(
                self._uri,
                Path(folder),
                failure=failure,
                run_id=run_id,
                artifact_path=name,
            )
            return path.read_bytes()

    def load_checked(
        self,
        version: ModelVersion,
        digests: Mapping[VersionFile, str],
        *,
        trial: TrialProcess | None = None,
        as_arrays: bool = False,
    ) -> Predictor:
        """Load the predictor of a version that is going to answer users.

        Its answers to its stored requests must be those of its pipeline, and those at training.

        Args:
            version: the version.
            digests: the digest that each of its files must have.
            trial: first do all of this in this process, and stop if that fails there. None: do it
                only here.
            as_arrays: read the model file without scikit-learn, if the kind of the model allows it.

        Raises:
            ArtifactUntrusted: a file is not the registered one, or the answers differ.
        """
        name = self._describe(version)
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            self._fetch_for_answers(version, digests, folder)
            (folder / STORED_REQUESTS.name).write_bytes(
                self.read_version_file(version, STORED_REQUESTS.name)
            )
            if trial is not None:
                trial.try_version(folder, digests, version_name=name)
            return version_trial.load_agreeing(
                folder, digests, version_name=name, as_arrays=as_arrays
            )

    def read_registered(
        self,
        version: ModelVersion,
        file: VersionFile,
        digests: Mapping[VersionFile, str],
    ) -> bytes:
        """Return the content of a file beside the model, which must have its digest.

        Raises:
            ArtifactUntrusted: the file is lost or is not the registered one.
        """
        content = self.read_version_file(version, file.name)
        if file not in digests or not is_unchanged(file, content, digests[file]):
            raise ArtifactUntrusted(
                f"{self._describe(version)}: {file.name} is not the registered one"
            )
        return content

    def load(
        self,
        version: ModelVersion,
        digests: Mapping[VersionFile, str],
        *,
        decision: Decision | None = None,
    ) -> Predictor:
        """Load the predictor of a version. The digests of the files are checked before parsing.

        Args:
            version: the version.
            digests: the digest that each of its files must have.
            decision: the decision of a version of an earlier release, which has no file of it.

        Raises:
            ArtifactUntrusted: a file is not the registered one.
        """
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            self._fetch_for_answers(version, digests, folder, decision)
            return version_trial.load_folder(folder, digests)

    def _fetch_for_answers(
        self,
        version: ModelVersion,
        digests: Mapping[VersionFile, str],
        folder: Path,
        decision: Decision | None = None,
    ) -> None:
        """Download the files that a predictor is made from. A decision that is given is written.

        Raises:
            ArtifactUntrusted: the digest of a file is not known, or a file is lost.
        """
        missing = [file.name for file in (MODEL, DECISION) if file not in digests]
        if missing:
            raise ArtifactUntrusted(
                f"the passport of {self._describe(version)} has no digest of {', '.join(missing)}"
            )
        if decision is not None:
            (folder / DECISION.name).write_bytes(decision.content)
        for file in (DECISION, BACKGROUND):
            if file in digests and not (folder / file.name).exists():
                content = self.read_version_file(version, file.name)
                (folder / file.name).write_bytes(content)
        self.fetch_model_file(version, folder)

    def _find_location(self, version: ModelVersion) -> str:
        """Return the location of the MLflow model of a version."""
        known_location = self._tables.find_model_location(version.version) if self._tables else None
        if known_location is not None:
            return known_location.rstrip("/")
        with translate_mlflow_errors():
            location = self._connect().get_model_version_download_uri(
                self._name, str(version.version)
            )
            return str(location).rstrip("/")

    def _describe_unreadable(self, version: ModelVersion) -> str:
        """Say that the files of a version cannot be read."""
        return f"the files of {self._describe(version)} cannot be read"

    def _describe(self, version: ModelVersion) -> str:
        """Return how messages name a version."""
        return f"version {version.version} of {self._name}"
