"""The stored files of a recorded version, compared with the digests in its passport."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from streamflow.core.training import (
    decision,
    default_costs,
    holdout_probabilities,
    honesty,
    stored_requests,
)
from streamflow.errors import ArtifactUntrusted
from streamflow.platform import Platform
from streamflow.steps.versions.recorded_version import RecordedVersion


def read_probabilities(
    platform: Platform,
    record: RecordedVersion,
) -> holdout_probabilities.Floats | None:
    """Read the probabilities that the version had for the hold-out when it was trained.

    Returns:
        None when the file is lost or was changed; `describe_changed_artifacts` reports that
    """
    try:
        content = platform.models.read_run_file(record.version.run_id, holdout_probabilities.FILE)
        probabilities = holdout_probabilities.from_bytes(content)
    except (ArtifactUntrusted, ValueError):
        return None
    if holdout_probabilities.digest(probabilities) != record.passport.result["predictions"]:
        return None
    return probabilities


def describe_changed_artifacts(platform: Platform, record: RecordedVersion) -> list[str]:
    """Name the files of the version that are lost, or are not what was registered."""
    version = record.version.version
    result = record.passport.result
    sentences = _describe_changed_model(platform, record)
    changed_files = []
    if read_probabilities(platform, record) is None:
        changed_files.append(holdout_probabilities.FILE)
    digests = {
        decision.FILE: result["decision"]["digest"],
        stored_requests.FILE: result["probes"],
        honesty.FILE: result["honesty"],
    }
    if "default_costs" in result:
        digests[default_costs.FILE] = result["default_costs"]
    for name, digest in digests.items():
        if not _is_unchanged(platform, record, name, digest):
            changed_files.append(name)
    sentences += [
        f"the file {name} of version {version} is lost or was changed" for name in changed_files
    ]
    return sentences


def _describe_changed_model(platform: Platform, record: RecordedVersion) -> list[str]:
    """Describe what is wrong with the model file: at most one sentence."""
    from streamflow.models.model_file import file_digest

    registered = record.passport.result["model"]["file"]
    with TemporaryDirectory() as folder:
        try:
            digest = file_digest(platform.models.fetch_model_file(record.version, Path(folder)))
        except ArtifactUntrusted as exc:
            return [exc.message]
    if digest == registered:
        return []
    return [
        f"the model file of version {record.version.version} was changed:"
        f" its digest is {digest}, the registered digest is {registered}"
    ]


def _is_unchanged(platform: Platform, record: RecordedVersion, name: str, digest: str) -> bool:
    try:
        content = platform.models.read_run_file(record.version.run_id, name)
    except ArtifactUntrusted:
        return False
    return sha256(content).hexdigest() == digest
