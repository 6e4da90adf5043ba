"""Read what is recorded of versions: a list of them, and one version with all its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamflow.core.promotion.ledger import Entry
from streamflow.core.training.honesty import HonestyReport, parse_honesty
from streamflow.core.versions.passport import Passport
from streamflow.core.versions.passport_levels import PassportLevel, list_levels
from streamflow.core.versions.version_files import HONESTY
from streamflow.errors import ArtifactUntrusted
from streamflow.models.model_version import ModelVersion as ModelVersion  # noqa: PLC0414
from streamflow.platform import Platform
from streamflow.steps.versions.registered_version import RecordedVersion, read_record
from streamflow.warehouse import ledger, reproductions
from streamflow.warehouse.reproductions import ReproducedLevel as ReproducedLevel  # noqa: PLC0414
from streamflow.warehouse.reproductions import Reproduction as Reproduction  # noqa: PLC0414


@dataclass(frozen=True, kw_only=True)
class CandidateScore:
    """A kind of model that a version was chosen from.

    auc    the mean of its cross-validated AUCs
    folds  the AUC of each fold
    """

    kind: str
    auc: float
    folds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """A file of a version, with the digest that its passport has of it."""

    name: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class RecordedFacts:
    """What the passport of a version says, and the honesty report that it names.

    metrics        on the hold-out, with the interval of the AUC
    candidates     empty where the user named the kind of model
    training_rows  the rows of the training set, of which training_keys were trained on
    honesty        None: the report cannot be read; honesty_problem says why
    tampered       which tags in MLflow are no longer the registered ones
    """

    passport_digest: str
    schema: int
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    model_kind: str
    threshold: object
    metrics: Mapping[str, float]
    candidates: tuple[CandidateScore, ...]
    levels: tuple[PassportLevel, ...]
    training_rows: int
    training_set_digest: str
    training_keys: int
    holdout_keys: int
    certificate: Mapping[str, Any]
    honesty: HonestyReport | None
    honesty_problem: str
    files: tuple[FileDigest, ...]
    tampered: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """One version with all that is recorded of it.

    recorded    None: its passport cannot be read; problem says why
    gate_entry  the newest entry of the ledger that has the evidence of the gate about this version
    reproduced  what its newest reproduction said; None: it was not reproduced yet
    """

    model: str
    version: ModelVersion
    recorded: RecordedFacts | None
    problem: str
    gate_entry: Entry | None
    reproduced: Reproduction | None


def list_versions(
    platform: Platform,
    *,
    below: int | None = None,
    limit: int | None = None,
) -> list[ModelVersion]:
    """List the versions of the catalog's model, the newest first.

    Args:
        platform: the open platform
        below: only versions with smaller numbers; None: from the newest one on
        limit: how many versions at most; None: all of them
    """
    return platform.models.versions(below=below, limit=limit)


def read_version(platform: Platform, number: int) -> VersionRecord:
    """Read one version. A version that streamflow did not train has no passport here.

    Raises:
        VersionMissing: there is no such version.
    """
    version = platform.models.version(number)
    recorded = None
    problem = ""
    try:
        recorded = _read_facts(platform, read_record(platform, version))
    except ArtifactUntrusted as error:
        problem = error.message
    model = platform.catalog.model
    return VersionRecord(
        model=model,
        version=version,
        recorded=recorded,
        problem=problem,
        gate_entry=ledger.gate_entry(platform.connection, model, number),
        reproduced=reproductions.newest_reproduction(
            platform.connection,
            model,
            number,
            version.run_id,
        ),
    )


def _read_facts(platform: Platform, record: RecordedVersion) -> RecordedFacts:
    passport = record.passport
    result = passport.result
    honesty, honesty_problem = read_honesty(platform, record)
    return RecordedFacts(
        passport_digest=record.passport_digest,
        schema=passport.schema,
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        model_kind=str(result.get("model_kind", "")),
        threshold=result["decision"]["threshold"],
        metrics=_numbers(result["metrics"]),
        candidates=_list_candidates(passport),
        levels=list_levels(passport),
        training_rows=result["training_set"]["rows"],
        training_set_digest=result["training_set"]["digest"],
        training_keys=result["training_keys"]["rows"],
        holdout_keys=result["holdout_keys"]["rows"],
        certificate=passport.certificate,
        honesty=honesty,
        honesty_problem=honesty_problem,
        files=tuple(
            FileDigest(name=file.name, digest=digest)
            for file, digest in record.file_digests.items()
        ),
        tampered=record.tampered,
    )


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers; a threshold that flags nobody is none."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def _list_candidates(passport: Passport) -> tuple[CandidateScore, ...]:
    """List the candidates, the best first."""
    candidates = [
        CandidateScore(kind=kind, auc=sum(aucs) / len(aucs), folds=tuple(aucs))
        for kind, aucs in passport.result.get("candidates", {}).items()
        if aucs
    ]
    return tuple(sorted(candidates, key=lambda candidate: -candidate.auc))


def read_honesty(
    platform: Platform,
    record: RecordedVersion,
) -> tuple[HonestyReport | None, str]:
    """Read the honesty report of a version, or say why it cannot be read."""
    try:
        content = platform.models.read_registered(record.version, HONESTY, record.file_digests)
        return parse_honesty(content), ""
    except (ArtifactUntrusted, ValueError) as error:
        return None, str(getattr(error, "message", error))
