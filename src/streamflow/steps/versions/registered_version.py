"""Read and load a version as it was registered. No other module makes a predictor.

Everybody who can write to MLflow can change every file, tag and location there, and can register
versions. So nothing of MLflow decides what is loaded: our own database has the digest of each
passport, and the passport has the digests of the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from streamflow.core.training.decision import Decision
from streamflow.core.versions.old_passport import parse_old_passport
from streamflow.core.versions.passport import Passport, parse_passport
from streamflow.core.versions.version_files import (
    DECISION,
    PASSPORT,
    VERSION_FILES,
    VersionFile,
    recorded_digests,
)
from streamflow.errors import ArtifactUntrusted
from streamflow.models.model_version import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.stages.signing import require_signature
from streamflow.warehouse import ledger

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor
    from streamflow.models.trial_process import TrialProcess


@dataclass(frozen=True, kw_only=True)
class RecordedVersion:
    """A version with the passport that it was registered with.

    tampered   one sentence for each part of the record that is no longer what was registered
    decision   only for a passport of schema 1 or 2, which has no file of it: the recorded threshold
    """

    version: ModelVersion
    passport: Passport
    passport_digest: str
    tampered: tuple[str, ...] = ()
    decision: Decision | None = None

    @property
    def feature_service(self) -> str:
        """Return the name of the feature service that the version reads."""
        return str(self.passport.features["service"])

    @property
    def file_digests(self) -> dict[VersionFile, str]:
        """Return the digest that each file of the version must have.

        A passport of an older schema has no digest of some files. For these the tag counts.
        """
        tags = self.version.tags
        uncovered_files = {
            file: tags[file.tag]
            for file in VERSION_FILES
            if self.passport.schema < file.schema and file.tag in tags
        }
        digests = {**uncovered_files, **recorded_digests(self.passport.result)}
        if self.decision is not None:
            digests[DECISION] = self.decision.digest
        return digests


@dataclass(frozen=True, kw_only=True)
class LoadedVersion:
    """A version as it was registered, with the predictor that gives its answers."""

    record: RecordedVersion
    predictor: Predictor

    @property
    def version(self) -> ModelVersion:
        """Return the version as MLflow stores it."""
        return self.record.version


def read_record(platform: Platform, version: ModelVersion) -> RecordedVersion:
    """Read the passport of a version, which must be the one that was registered.

    Raises:
        ArtifactUntrusted: streamflow did not register this version, or its passport is lost or
            was changed
    """
    digest = ledger.passport_digest(
        platform.connection,
        version.run_id,
        model=platform.catalog.model,
        version=version.version,
    )
    return read_registered_record(platform, version, digest)


def read_registered_record(
    platform: Platform,
    version: ModelVersion,
    digest: str | None,
) -> RecordedVersion:
    """Read the passport of a version, which must have the registered digest.

    Args:
        platform: the open platform
        version: the version as MLflow stores it
        digest: as our own database has it; None: streamflow did not register this version

    Raises:
        ArtifactUntrusted: there is no digest, or the passport is lost or was changed
    """
    name = f"version {version.version} of {platform.catalog.model}"
    if digest is None:
        raise ArtifactUntrusted(
            f"{name}: this database has no passport of its run {version.run_id},"
            " because streamflow did not train it"
        )
    passport, decision = _read_passport(platform, version, name, digest)
    return RecordedVersion(
        version=version,
        passport=passport,
        passport_digest=digest,
        tampered=tuple(_describe_changed_tags(version, passport, digest)),
        decision=decision,
    )


def _read_passport(
    platform: Platform,
    version: ModelVersion,
    name: str,
    registered_digest: str,
) -> tuple[Passport, Decision | None]:
    """Read the passport's file, and the decision that only an old one records.

    Raises ArtifactUntrusted when the file is lost, changed or unreadable.
    """
    try:
        content = platform.models.read_version_file(version, PASSPORT.name)
    except ArtifactUntrusted as exc:
        raise ArtifactUntrusted(f"{name}: its passport is lost: {exc.message}") from exc
    digest = sha256(content).hexdigest()
    if digest != registered_digest:
        raise ArtifactUntrusted(
            f"{name}: its {PASSPORT.name} was changed: its digest is {digest},"
            f" the registered digest is {registered_digest}"
        )
    try:
        old = parse_old_passport(content)
        return (old.passport, old.decision) if old else (parse_passport(content), None)
    except ValueError as exc:
        raise ArtifactUntrusted(f"{name}: its {PASSPORT.name} cannot be read: {exc}") from exc


def _describe_changed_tags(version: ModelVersion, passport: Passport, digest: str) -> list[str]:
    """Name the tags in MLflow whose value is not the registered one."""
    sentences = []
    for name, registered in tags_of(passport, digest).items():
        tag = version.tags.get(name, "nothing")
        if tag != registered:
            sentences.append(
                f"the tag {name} of version {version.version} was changed:"
                f" it is {tag}, the registered value is {registered}"
            )
    return sentences


def tags_of(passport: Passport, digest: str) -> dict[str, str]:
    """Return the tags in MLflow that a version with this passport must have."""
    result = passport.result
    file_digests = {PASSPORT: digest, **recorded_digests(result)}
    return {
        **{file.tag: digest for file, digest in file_digests.items() if file.tag},
        "content_digest": result["model"]["content"],
        "threshold": str(result["decision"]["threshold"]),
        "feature_service": passport.features["service"],
        "as_of": f"{passport.as_of:%Y-%m-%d}",
    }


def load_predictor(platform: Platform, record: RecordedVersion) -> Predictor:
    """Load the predictor of a version from the files that its passport names.

    Raises:
        ArtifactUntrusted: a file is not the registered one.
    """
    digests = record.file_digests
    return platform.models.load(record.version, digests, decision=record.decision)


def load_answering(
    platform: Platform,
    version: ModelVersion,
    *,
    trial: TrialProcess | None = None,
    as_arrays: bool = False,
) -> LoadedVersion:
    """Load a version that is going to answer users, and try it on its stored requests.

    Args:
        platform: the platform.
        version: the version as MLflow stores it.
        trial: first try the version in this process, which a wrong file may end. None: no trial.
        as_arrays: read the model file without scikit-learn, if the kind of the model allows it.

    Raises:
        ArtifactUntrusted: streamflow did not register this version, a file or a tag of it is not
            the registered one, no trusted key signed it, or it answers its stored requests
            differently.
    """
    record = read_record(platform, version)
    if record.tampered:
        raise ArtifactUntrusted("; ".join(record.tampered))
    require_signature(platform, version, record.passport_digest)
    if record.decision is not None:
        # A version of an earlier release has no stored requests that it could be tried on.
        return LoadedVersion(record=record, predictor=load_predictor(platform, record))
    predictor = platform.models.load_checked(
        version, record.file_digests, trial=trial, as_arrays=as_arrays
    )
    return LoadedVersion(record=record, predictor=predictor)
