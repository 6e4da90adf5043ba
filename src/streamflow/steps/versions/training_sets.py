"""Read what is recorded of the training sets of versions: a list of them, and one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamflow.core.training.honesty import HonestyReport
from streamflow.core.training.training_set import Source
from streamflow.errors import ArtifactUntrusted
from streamflow.models.model_version import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.versions.registered_version import (
    RecordedVersion,
    read_record,
    read_registered_record,
)
from streamflow.steps.versions.version_record import read_honesty
from streamflow.warehouse import passports


@dataclass(frozen=True, kw_only=True)
class TrainingSetFacts:
    """What the passport of a version says about its training set.

    certificate  what the check of every instant found at training; empty: an older passport
    honesty      the findings about labels and features; None: honesty_problem says why
    """

    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    months: int
    rows: int
    training_keys: int
    holdout_keys: int
    digest: str
    certificate: Mapping[str, Any]
    honesty: HonestyReport | None
    honesty_problem: str


@dataclass(frozen=True, kw_only=True)
class TrainingSetLine:
    """The training set of one version. Without facts, the problem says why there are none."""

    version: int
    facts: TrainingSetFacts | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class TrainingSetRecord:
    """The training set of one version, with every revision that it was read from."""

    line: TrainingSetLine
    sources: tuple[Source, ...]


def list_training_sets(
    platform: Platform,
    *,
    below: int | None = None,
    limit: int,
) -> list[TrainingSetLine]:
    """List the training sets of the newest versions, those with smaller numbers than `below`."""
    versions = platform.models.versions(below=below, limit=limit)
    digests = passports.passport_digests(
        platform.connection,
        platform.catalog.model,
        [version.run_id for version in versions],
    )
    lines = []
    for version in versions:
        digest = digests.get((version.run_id, version.version))
        lines.append(_read_line(platform, version, digest))
    return lines


def read_training_set(platform: Platform, number: int) -> TrainingSetRecord:
    """Read what is recorded of the training set of one version.

    Raises:
        VersionMissing: there is no such version.
    """
    version = platform.models.version(number)
    try:
        record = read_record(platform, version)
    except ArtifactUntrusted as error:
        line = TrainingSetLine(version=number, facts=None, problem=error.message)
        return TrainingSetRecord(line=line, sources=())
    line = TrainingSetLine(version=number, facts=_read_facts(platform, record), problem="")
    return TrainingSetRecord(line=line, sources=record.passport.sources)


def _read_line(platform: Platform, version: ModelVersion, digest: str | None) -> TrainingSetLine:
    try:
        record = read_registered_record(platform, version, digest)
    except ArtifactUntrusted as error:
        return TrainingSetLine(version=version.version, facts=None, problem=error.message)
    facts = _read_facts(platform, record)
    return TrainingSetLine(version=version.version, facts=facts, problem="")


def _read_facts(platform: Platform, record: RecordedVersion) -> TrainingSetFacts:
    passport = record.passport
    result = passport.result
    honesty, honesty_problem = read_honesty(platform, record)
    return TrainingSetFacts(
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        months=len(passport.months),
        rows=result["training_set"]["rows"],
        training_keys=result["training_keys"]["rows"],
        holdout_keys=result["holdout_keys"]["rows"],
        digest=result["training_set"]["digest"],
        certificate=passport.certificate,
        honesty=honesty,
        honesty_problem=honesty_problem,
    )
