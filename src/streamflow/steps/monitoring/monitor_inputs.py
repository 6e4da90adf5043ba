"""The inputs of a monitoring report.

These are the version in Production with the rows that it was trained on, and a drop with the
features and labels that this version reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.instants import format_instant
from streamflow.core.monitoring.report import ReportEvidence
from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import Source, TrainingSet
from streamflow.errors import NotRebuildable, SnapshotMissing, VersionMissing
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.training.feature_reading import join_features, open_frozen_reader
from streamflow.steps.training.training_set import select_revisions
from streamflow.steps.versions.rebuilt_training_set import (
    describe_set_differences,
    rebuild_training_set,
)
from streamflow.steps.versions.recorded_version import (
    count_erased_users,
    find_recorded_version,
    require_frozen,
)
from streamflow.steps.versions.registered_version import RecordedVersion
from streamflow.warehouse import frozen, monitoring
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.known_drops import read_known_drops
from streamflow.warehouse.monitoring import LoggedPredictions


@dataclass(frozen=True, kw_only=True)
class MonitoredDrop:
    """A drop that is monitored, as it is known now.

    sources       the revisions that its rows come from, including those of the labels
    label_at      the drop that dates its labels; None when that drop does not exist yet
    no_labels     the reason why there are no labels; empty when there are labels
    """

    at: datetime
    sources: tuple[Source, ...]
    label_at: datetime | None
    no_labels: str


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """Everything that a report is made from.

    recorded_platform   the platform with the catalog and the semantic settings of the version
    reference           the revisions that the version was trained on
    """

    recorded_platform: Platform
    champion: RecordedVersion
    reference: tuple[Revision, ...]
    drop: MonitoredDrop
    answers: LoggedPredictions
    evidence: ReportEvidence


def find_champion(platform: Platform) -> RecordedVersion:
    """Return the version in Production as it was recorded.

    Raises:
        VersionMissing: no version is in Production.
        NotRebuildable: the record of the version was changed.
    """
    version = version_in_stage(platform)
    if version is None:
        raise VersionMissing(
            f"no version of {platform.catalog.model} is in Production: "
            "there is nothing to compare a drop with",
            remedy="Run 'streamflow train --as-of D', then 'streamflow promote VERSION'.",
        )
    champion = find_recorded_version(platform, str(version.version))
    if champion.tampered:
        raise NotRebuildable("\n".join(champion.tampered), missing=list(champion.tampered))
    return champion


def rebuild_reference(recorded_platform: Platform, champion: RecordedVersion) -> TrainingSet:
    """Rebuild the rows that the version was trained on, without the users erased on request.

    Raises:
        NotRebuildable: the rows differ from the recorded ones for a different reason.
    """
    rows = rebuild_training_set(recorded_platform, champion.passport)
    differences = describe_set_differences(champion.passport, rows)
    if differences and not count_erased_users(recorded_platform, champion.passport):
        name = f"the training set of version {champion.version.version}"
        raise NotRebuildable(
            "\n".join(f"{name} cannot be rebuilt: {difference}" for difference in differences),
            remedy="Train a version on what is frozen now, and promote it.",
            missing=list(differences),
        )
    return rows


def read_population(
    recorded_platform: Platform,
    champion: RecordedVersion,
    reference: TrainingSet,
) -> pl.DataFrame:
    """Return all users of the newest drop that the version was trained on, as it was trained on.

    Users without a label are included. A label that comes later exists only for the users that are
    still there: in comparison with these users alone, every drop would look different.
    """
    if not reference.without_label:
        return reference.frame
    passport = champion.passport.months[-1]
    drop = MonitoredDrop(
        at=passport.as_of,
        sources=passport.sources,
        label_at=passport.label_as_of,
        no_labels="",
    )
    return read_rows(recorded_platform, drop)


def find_drop(recorded_platform: Platform, as_of: datetime, *, label_lead: int) -> MonitoredDrop:
    """Find the newest revisions of a drop. Raises SnapshotMissing when it is not frozen."""
    catalog = recorded_platform.catalog
    connection = recorded_platform.connection
    known_drops = read_known_drops(connection, catalog)
    if as_of not in known_drops.drops:
        raise SnapshotMissing(
            f"no snapshot of {as_of:%Y-%m-%d} exists; frozen are: {known_drops.listed}"
        )
    label_at = known_drops.find_label_drop(as_of, label_lead)
    sources = frozen.sources(
        connection, select_revisions(catalog, known_drops.revisions, as_of, label_at)
    )
    no_labels = ""
    if label_at is None:
        drop_number = f"drop number {label_lead} after it"
        no_labels = (
            f"the labels of {as_of:%Y-%m-%d} do not exist yet: they come with the {drop_number}"
        )
    elif not _has_labels(recorded_platform, sources, label_at):
        no_labels = (
            f"the labels of {as_of:%Y-%m-%d} do not exist yet:"
            f" the drop of {format_instant(label_at)} has no {catalog.file(catalog.label.table)}"
        )
    return MonitoredDrop(at=as_of, sources=sources, label_at=label_at, no_labels=no_labels)


def _has_labels(platform: Platform, sources: Sequence[Source], label_at: datetime) -> bool:
    """Return whether the sources contain the label table of the drop that dates the labels."""
    label_table = platform.catalog.label.table
    return any(source.table == label_table and source.as_of == label_at for source in sources)


def read_rows(recorded_platform: Platform, drop: MonitoredDrop) -> pl.DataFrame:
    """Return the rows of a drop in order of the key.

    The columns are the key, the features that the version reads, and the label, which is null
    where a row has none.
    """
    catalog = recorded_platform.catalog
    key = catalog.entity.key
    label_column = catalog.label.column

    read_frozen = open_frozen_reader(recorded_platform)

    def read_at(table: str, at: datetime, *columns: str) -> pl.DataFrame:
        revisions = [
            (source.as_of, source.revision)
            for source in drop.sources
            if source.table == table and source.as_of == at
        ]
        rows = read_frozen(table, list(columns), revisions)
        return rows.drop("as_of")

    keys = read_at(catalog.entity.table, drop.at, key).sort(key)
    names = [feature.name for feature in catalog.features]
    joined = join_features(recorded_platform, None, keys, drop.at, drop.sources)
    features = joined.select(names)
    rows = pl.concat([keys, features], how="horizontal")
    if drop.no_labels or drop.label_at is None:
        no_label = pl.lit(None, pl.Boolean)
        return rows.with_columns(no_label.alias(label_column))
    labels = read_at(catalog.label.table, drop.label_at, key, label_column)
    return rows.join(labels, on=key, how="left", maintain_order="left")


def in_holdout(recorded_platform: Platform, keys: pl.Series) -> NDArray[np.bool_]:
    """Return whether each key is in the hold-out, by the salt and the share of the training."""
    settings = recorded_platform.settings
    return is_holdout(keys, salt=settings.split_salt, share=settings.holdout_share)


def collect_inputs(
    recorded_platform: Platform,
    champion: RecordedVersion,
    as_of: datetime,
) -> ReportInputs:
    """Find everything that a report on the drop of `as_of` is made from.

    Raises:
        SnapshotMissing: the drop is not frozen.
        NotRebuildable: a revision that the version was trained on is gone.
    """
    passport = champion.passport
    version = champion.version.version
    model = recorded_platform.catalog.model
    revisions = require_frozen(recorded_platform, passport.sources)
    drop = find_drop(recorded_platform, as_of, label_lead=passport.label_lead)
    answers = monitoring.logged_predictions(recorded_platform.connection, model, version, drop.at)
    evidence = ReportEvidence(
        model=model,
        version=version,
        passport=champion.passport_digest,
        as_of=as_of.date(),
        reference={
            str(source): revisions[source.revision_key].digest for source in passport.sources
        },
        current={str(source): source.digest for source in drop.sources},
        answers=(answers.prediction_count, answers.last_id, answers.other_version_count),
        drift_psi=recorded_platform.settings.drift_psi,
        drift_false_discovery=recorded_platform.settings.drift_false_discovery,
    )
    return ReportInputs(
        recorded_platform=recorded_platform,
        champion=champion,
        reference=tuple(revisions.values()),
        drop=drop,
        answers=answers,
        evidence=evidence,
    )
