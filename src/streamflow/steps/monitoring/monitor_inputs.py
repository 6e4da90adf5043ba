"""What a report looks at: the version in Production with the rows that it was trained on, and a drop as that version sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.instants import day, instant
from streamflow.core.monitoring.report import Evidence
from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import Source, TrainingSet, label_as_of
from streamflow.errors import NotRebuildable, SnapshotMissing, VersionMissing
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import served
from streamflow.steps.training.training_set import revisions_read
from streamflow.steps.versions.rebuilt_training_set import (
    joined_features,
    rebuilt_set,
    set_differences,
)
from streamflow.steps.versions.recorded_version import (
    Recorded,
    erased_users,
    recorded,
    require_frozen,
)
from streamflow.warehouse import frozen, monitoring
from streamflow.warehouse.monitoring import LoggedAnswers


def champion_of(platform: Platform) -> Recorded:
    """The version in Production as it was recorded. Raises VersionMissing, NotRebuildable."""
    version = served(platform)
    if version is None:
        raise VersionMissing(
            f"no version of {platform.catalog.model} is in Production: there is nothing to hold a drop against",
            remedy="Run 'streamflow train --as-of D', then 'streamflow promote VERSION'.",
        )
    found = recorded(platform, str(version.version))
    if found.tampered:
        raise NotRebuildable("\n".join(found.tampered), missing=list(found.tampered))
    return found


def reference_of(then: Platform, champion: Recorded) -> TrainingSet:
    """The rows that the version was trained on, but for users erased on request; `then` is the platform as recorded.

    Raises NotRebuildable unless they are those.
    """
    rows = rebuilt_set(then, champion.passport)
    differences = set_differences(champion.passport, rows)
    if differences and not erased_users(then, champion.passport):
        name = f"the training set of version {champion.version.version}"
        raise NotRebuildable(
            "\n".join(f"{name} cannot be made again: {words}" for words in differences),
            remedy="Train a version on what is frozen now, and promote it.",
            missing=list(differences),
        )
    return rows


def population_of(then: Platform, champion: Recorded, rows: TrainingSet) -> pl.DataFrame:
    """All users of the drop that the version was trained on, also those without a label, of the same revisions.

    A label that comes later knows only who is still there: held against those alone, every drop would be another.
    """
    if not rows.without_label:
        return rows.frame
    passport = champion.passport
    return rows_of(
        then,
        Drop(
            at=passport.as_of, sources=passport.sources, label_at=passport.label_as_of, no_labels=""
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A drop as it is known now.

    sources       the revisions that its rows come from, labels included
    label_at      the drop that dates its labels; None when it is not there
    no_labels     why there are none, in words; empty when there are
    """

    at: datetime
    sources: tuple[Source, ...]
    label_at: datetime | None
    no_labels: str


def find_drop(then: Platform, as_of: date, *, label_lead: int) -> Drop:
    """Find the revisions of a drop. Raises SnapshotMissing when it is not frozen."""
    catalog, at = then.catalog, instant(as_of)
    newest = frozen.revisions(then.connection, known_at=frozen.known_now(then.connection))
    drops = sorted({r.as_of for r in newest if r.table == catalog.entity.table})
    if at not in drops:
        raise SnapshotMissing(
            f"no snapshot of {as_of} is there; frozen are: {', '.join(map(day, drops)) or 'none'}"
        )
    label_at = label_as_of(at, label_lead, drops)
    read = frozen.sources(then.connection, revisions_read(catalog, newest, at, label_at))
    no_labels = ""
    if label_at is None:
        no_labels = f"the labels of {as_of} are not there yet: they come with the drop number {label_lead} after it"
    elif not any(s.table == catalog.label.table and s.as_of == label_at for s in read):
        no_labels = f"the labels of {as_of} are not there yet: the drop of {day(label_at)} has no {catalog.file(catalog.label.table)}"
    return Drop(at=at, sources=read, label_at=label_at, no_labels=no_labels)


def rows_of(then: Platform, drop: Drop) -> pl.DataFrame:
    """The rows of a drop by key: the key, the features that the version reads, the label, which is null where there is none."""
    catalog, key = then.catalog, then.catalog.entity.key

    def read(table: str, columns: list[str], places: list[tuple[datetime, int]]) -> pl.DataFrame:
        return frozen.rows_of(then.address, table, columns, places)

    def of(table: str, at: datetime, *columns: str) -> pl.DataFrame:
        places = [(s.as_of, s.revision) for s in drop.sources if s.table == table and s.as_of == at]
        return read(table, list(columns), places).drop("as_of")

    keys = of(catalog.entity.table, drop.at, key).sort(key)
    features = joined_features(catalog, read, keys, drop.at, drop.sources).select(
        f.name for f in catalog.features
    )
    label = pl.lit(None, pl.Boolean).alias(catalog.label.column)
    rows = pl.concat([keys, features], how="horizontal")
    if drop.no_labels or drop.label_at is None:
        return rows.with_columns(label)
    labels = of(catalog.label.table, drop.label_at, key, catalog.label.column)
    return rows.join(labels, on=key, how="left", maintain_order="left")


def holdout_side(then: Platform, keys: pl.Series) -> NDArray[np.bool_]:
    """Which keys are on the hold-out side by the salt and the share that the version was trained with."""
    return is_holdout(keys, salt=then.settings.split_salt, share=then.settings.holdout_share)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a report is made from. then: the platform with the catalog and the semantic settings of the version."""

    then: Platform
    champion: Recorded
    drop: Drop
    answers: LoggedAnswers
    evidence: Evidence


def look_at(then: Platform, champion: Recorded, as_of: date) -> Look:
    """Find what a report on the drop of `as_of` is made from. Raises SnapshotMissing, NotRebuildable."""
    passport, version = champion.passport, champion.version.version
    there = require_frozen(then, passport.sources)
    drop = find_drop(then, as_of, label_lead=passport.label_lead)
    answers = monitoring.logged_answers(then.connection, then.catalog.model, version, drop.at)
    evidence = Evidence(
        model=then.catalog.model,
        version=version,
        passport=champion.passport_digest,
        as_of=as_of,
        reference={str(source): there[source.place].digest for source in passport.sources},
        current={str(source): source.digest for source in drop.sources},
        answers=(answers.given, answers.last_id, answers.others),
        drift_psi=then.settings.drift_psi,
        drift_false_discovery=then.settings.drift_false_discovery,
    )
    return Look(then=then, champion=champion, drop=drop, answers=answers, evidence=evidence)
