"""Download the files of a version from MLflow, and load a predictor from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from streamflow.core.data.counts import choose_form
from streamflow.core.training.background import Background
from streamflow.core.versions.old_passport import OldPassport, parse_old_passport
from streamflow.core.versions.passport import parse_passport
from streamflow.core.versions.version_files import (
    BACKGROUND,
    DECISION,
    MODEL,
    PASSPORT,
    STORED_REQUESTS,
    VERSION_FILES,
    VersionFile,
    is_unchanged,
    recorded_digests,
)
from streamflow.errors import ArtifactUntrusted
from streamflow.models import model_file
from streamflow.models.artifact_store import fetch
from streamflow.models.mlflow_client import translate_mlflow_errors
from streamflow.models.model_version import ModelVersion

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from streamflow.models.predictor import Predictor


class VersionFiles:
    """The files of the versions of one registered model.

    Args:
        tracking_uri: the address of MLflow.
        name: the name of the registered model.
        connect: returns the connection to MLflow. The first call also sets the store in which
            MLflow looks up artifacts.
    """

    def __init__(
        self, tracking_uri: str, *, name: str, connect: Callable[[], MlflowClient]
    ) -> None:
        self._uri = tracking_uri
        self._name = name
        self._connect = connect

    def fetch(self, version: ModelVersion, folder: Path) -> tuple[Path, Path]:
        """Download the MLflow model of a version and the files beside it.

        Returns:
            The folder of the MLflow model, and the folder of the files.

        Raises:
            ArtifactUntrusted: a download fails, or the model file is missing.
        """
        failure = f"the files of {self._describe(version)} cannot be read"
        package = fetch(
            self._uri, folder / "model", failure=failure, artifact_uri=self._find_location(version)
        )
        files = fetch(self._uri, folder / "files", failure=failure, run_id=version.run_id)
        if not (package / MODEL.name).is_file():
            raise ArtifactUntrusted(f"{failure}: there is no {MODEL.name}")
        return package, files

    def fetch_model_file(self, version: ModelVersion, folder: Path) -> Path:
        """Download the model file of a version, and return its path.

        Raises:
            ArtifactUntrusted: the download fails.
        """
        return fetch(
            self._uri,
            folder,
            failure=f"{self._describe(version)} has no {MODEL.name}",
            artifact_uri=f"{self._find_location(version)}/{MODEL.name}",
        )

    def read_run_file(self, run_id: str, name: str) -> bytes:
        """Return the content of a file beside the model of a run.

        Raises:
            ArtifactUntrusted: there is no such file.
        """
        self._connect()
        with TemporaryDirectory() as folder:
            failure = f"the run {run_id} has no {name}"
            path = fetch(
                self._uri, Path(folder), failure=failure, run_id=run_id, artifact_path=name
            )
            return path.read_bytes()

    def load(self, version: ModelVersion) -> Predictor:
        """Load the predictor of a version. The digests of the files are checked before parsing.

        Raises:
            ArtifactUntrusted: a file is not the one that the tags of the version name.
        """
        digests = _digests_in_tags(version)
        if DECISION not in digests and PASSPORT in digests:
            content = self._read_passport(version, digests[PASSPORT])
            old_passport = self._parse_old_passport(version, content)
            if old_passport is not None:
                return self._load_old(version, old_passport)
        return self._load(version, digests)

    def load_checked(self, version: ModelVersion, passport_digest: str | None) -> Predictor:
        """Load the predictor of a version that is going to answer users.

        Its files must be those of its passport. Its answers to its stored requests must be those of
        its pipeline, and those at training. A version of an earlier release has no stored requests:
        it answers by the model file and the threshold that its passport records.

        Args:
            version: the version.
            passport_digest: the digest of its passport, which is not stored in MLflow. None for a
                version without a passport: then its files must be those that its tags name.

        Raises:
            ArtifactUntrusted: a file is not the registered one, or the answers differ.
        """
        from streamflow.models.version_check import require_agreement

        digests = _digests_in_tags(version)
        if passport_digest is not None:
            content = self._read_passport(version, passport_digest)
            old_passport = self._parse_old_passport(version, content)
            if old_passport is not None:
                return self._load_old(version, old_passport)
            digests |= self._read_recorded_digests(version, content)
        predictor = self._load(version, digests)
        stored_requests = self.read_run_file(version.run_id, STORED_REQUESTS.name)
        digest = digests.get(STORED_REQUESTS)
        if digest and not is_unchanged(STORED_REQUESTS, stored_requests, digest):
            raise ArtifactUntrusted(
                f"{self._describe(version)}: {STORED_REQUESTS.name} is not the registered one"
            )
        require_agreement(predictor, stored_requests, version_name=self._describe(version))
        return predictor

    def _read_passport(self, version: ModelVersion, digest: str) -> bytes:
        """Return the content of the passport. Raises ArtifactUntrusted if its digest differs."""
        content = self.read_run_file(version.run_id, PASSPORT.name)
        if not is_unchanged(PASSPORT, content, digest):
            raise ArtifactUntrusted(
                f"{self._describe(version)}: {PASSPORT.name} is not the registered one"
            )
        return content

    def _parse_old_passport(self, version: ModelVersion, content: bytes) -> OldPassport | None:
        """Read a passport of schema 1 or 2; return None for a newer one."""
        try:
            return parse_old_passport(content)
        except ValueError as exc:
            raise ArtifactUntrusted(f"{self._describe(version)}: {PASSPORT.name}: {exc}") from exc

    def _load_old(self, version: ModelVersion, passport: OldPassport) -> Predictor:
        """Load a version of an earlier release by what its passport records."""
        from streamflow.models.predictor import compile_predictor

        with TemporaryDirectory() as folder:
            path = self.fetch_model_file(version, Path(folder))
            pipeline = model_file.load(path, expected_digest=passport.model_digest)
        return compile_predictor(pipeline, passport.decision, None)

    def _read_recorded_digests(
        self, version: ModelVersion, content: bytes
    ) -> dict[VersionFile, str]:
        """Return the digest of each file in the passport, which the tags must have too."""
        name = self._describe(version)
        try:
            digests = recorded_digests(parse_passport(content).result)
        except ValueError as exc:
            raise ArtifactUntrusted(f"{name}: {PASSPORT.name}: {exc}") from exc
        for file, digest in digests.items():
            if file.tag and version.tags.get(file.tag) != digest:
                raise ArtifactUntrusted(
                    f"{name}: the tag {file.tag} is not the digest of {file.name} in its passport"
                )
        return digests

    def _load(self, version: ModelVersion, digests: Mapping[VersionFile, str]) -> Predictor:
        """Load the files of a version that have these digests, and create its predictor."""
        from streamflow.models.predictor import compile_predictor

        missing = [file.tag for file in (MODEL, DECISION) if file not in digests]
        if missing:
            tags = choose_form(len(missing), "tag", "tags")
            raise ArtifactUntrusted(
                f"{self._describe(version)} has no {tags} {', '.join(missing)}: "
                "it was not created by this streamflow"
            )
        decision = model_file.load_decision(
            self.read_run_file(version.run_id, DECISION.name), expected_digest=digests[DECISION]
        )
        background = self._load_background(version, digests.get(BACKGROUND))
        with TemporaryDirectory() as folder:
            path = self.fetch_model_file(version, Path(folder))
            pipeline = model_file.load(path, expected_digest=digests[MODEL])
        return compile_predictor(pipeline, decision, background)

    def _load_background(self, version: ModelVersion, digest: str | None) -> Background | None:
        """Load the usual values of the training rows, if the version has them."""
        if not digest:
            return None
        content = self.read_run_file(version.run_id, BACKGROUND.name)
        return model_file.load_background(content, expected_digest=digest)

    def _find_location(self, version: ModelVersion) -> str:
        """Return the location of the MLflow model of a version."""
        with translate_mlflow_errors():
            location = self._connect().get_model_version_download_uri(
                self._name, str(version.version)
            )
            return str(location).rstrip("/")

    def _describe(self, version: ModelVersion) -> str:
        """Return how messages name a version."""
        return f"version {version.version} of {self._name}"


def _digests_in_tags(version: ModelVersion) -> dict[VersionFile, str]:
    """Return the digest of each file that the tags of a version name."""
    return {
        file: version.tags[file.tag]
        for file in VERSION_FILES
        if file.tag and file.tag in version.tags
    }
