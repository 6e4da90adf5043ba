"""The stored files of a recorded version, compared with the digests in its passport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from streamflow.core.training import holdout_probabilities
from streamflow.core.versions.version_files import (
    HOLDOUT_PROBABILITIES,
    MODEL,
    VersionFile,
    is_unchanged,
    recorded_digests,
)
from streamflow.errors import ArtifactUntrusted
from streamflow.platform import Platform
from streamflow.steps.versions.registered_version import RecordedVersion


def read_probabilities(
    platform: Platform,
    record: RecordedVersion,
) -> holdout_probabilities.Floats | None:
    """Read the probabilities that the version had for the hold-out when it was trained.

    Returns:
        None when the file is lost or was changed; `describe_changed_artifacts` reports that
    """
    content = read_recorded_file(platform, record, HOLDOUT_PROBABILITIES)
    return None if content is None else holdout_probabilities.from_bytes(content)


def read_recorded_file(
    platform: Platform,
    record: RecordedVersion,
    file: VersionFile,
) -> bytes | None:
    """Read a file beside the model. Returns None when it is lost or is not the registered one."""
    try:
        content = platform.models.read_version_file(record.version, file.name)
    except ArtifactUntrusted:
        return None
    digest = recorded_digests(record.passport.result)[file]
    return content if is_unchanged(file, content, digest) else None


def describe_changed_artifacts(platform: Platform, record: RecordedVersion) -> list[str]:
    """Name the files of the version that are lost, or are not what was registered."""
    return [
        *_describe_changed_package(platform, record),
        *(
            f"the file {file.name} of version {record.version.version} is lost or was changed"
            for file in _find_changed_files(platform, record)
        ),
    ]


def _find_changed_files(platform: Platform, record: RecordedVersion) -> Iterator[VersionFile]:
    """Yield the files beside the model that are lost, or are not what was registered."""
    for file in recorded_digests(record.passport.result):
        if not file.in_package and read_recorded_file(platform, record, file) is None:
            yield file


def _describe_changed_package(platform: Platform, record: RecordedVersion) -> list[str]:
    """Name the files within MLflow's model that are lost, or are not what was registered."""
    with TemporaryDirectory() as folder:
        try:
            package = platform.models.fetch_package(record.version, Path(folder))
        except ArtifactUntrusted as exc:
            return [exc.message]
        return [
            _describe_changed_file(record, file, package / file.name)
            for file, digest in recorded_digests(record.passport.result).items()
            if file.in_package and not _is_registered(file, package / file.name, digest)
        ]


def _is_registered(file: VersionFile, path: Path, digest: str) -> bool:
    """Return whether a downloaded file is there and has its digest."""
    return path.is_file() and is_unchanged(file, path.read_bytes(), digest)


def _describe_changed_file(record: RecordedVersion, file: VersionFile, path: Path) -> str:
    """Describe a file within MLflow's model that is not what was registered."""
    version = record.version.version
    if not path.is_file():
        return f"the MLflow model of version {version} has no {file.name}"
    if file is not MODEL:
        return f"the file {file.name} in the MLflow model of version {version} was changed"
    return (
        f"the model file of version {version} was changed: its digest is"
        f" {file.digest(path.read_bytes())}, the registered digest is"
        f" {recorded_digests(record.passport.result)[MODEL]}"
    )
