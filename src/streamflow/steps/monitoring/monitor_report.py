"""From what a report looks at to the report: what drifted, how the version does now, how its answers turned out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.instants import day
from streamflow.core.monitoring.drift import FeatureDrift, feature_drifts
from streamflow.core.monitoring.performance import (
    FEW,
    Performance,
    concept_drift,
    label_drift,
    performance,
)
from streamflow.core.monitoring.report import Answers, Report
from streamflow.core.statistics.metrics import Floats
from streamflow.platform import Platform
from streamflow.steps.monitoring.monitor_inputs import (
    Look,
    holdout_side,
    population_of,
    reference_of,
    rows_of,
)
from streamflow.steps.versions.recorded_version import erased_users

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor


def made(look: Look, notify: Callable[[str], None]) -> Report:
    """Compute the report. A part that the drop does not allow is None, and a note says why.

    Raises NotRebuildable, ArtifactUntrusted.
    """
    then, passport, drop = look.then, look.champion.passport, look.drop
    notify(f"making the training set of version {look.champion.version.version} again")
    reference, rows = reference_of(then, look.champion), rows_of(then, drop)
    population, labelled = (
        population_of(then, look.champion, reference),
        rows.drop_nulls(then.catalog.label.column),
    )
    notify(f"comparing {len(rows):,} users with {len(population):,}")
    features = _features(then, population, rows)
    notify("asking the version on hold-out users")
    predictor = then.models.load(look.champion.version)
    before, now = (
        _on_unseen(look, predictor, reference.frame),
        _on_unseen(look, predictor, labelled),
    )
    return Report(
        evidence=look.evidence,
        reference_as_of=passport.as_of.date(),
        reference_rows=len(population),
        rows=len(rows),
        label_lead=passport.label_lead,
        label_as_of=drop.label_at.date() if drop.label_at else None,
        features=features,
        labels=label_drift(reference.labels, _label(then, labelled)) if len(labelled) else None,
        then=before,
        now=now,
        concept=concept_drift(before, now) if before and now else None,
        answers=_answers(look, labelled) if look.answers.given or look.answers.others else None,
        notes=tuple(_notes(look, len(rows), len(labelled), before, now)),
    )


def _features(
    then: Platform, reference: pl.DataFrame, rows: pl.DataFrame
) -> tuple[FeatureDrift, ...]:
    """Key and label are no features."""
    names = [f.name for f in then.catalog.features]
    return feature_drifts(
        reference.select(names),
        rows.select(names),
        categorical={f.name for f in then.catalog.features if f.column.categorical},
        drift_psi=then.settings.drift_psi,
        false_discovery=then.settings.drift_false_discovery,
    )


def _label(then: Platform, labelled: pl.DataFrame) -> NDArray[np.int8]:
    return labelled[then.catalog.label.column].cast(pl.Int8).to_numpy()


def _unseen(then: Platform, rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The users that the version was never trained on, in whatever month: those of its hold-out side."""
    return rows.filter(pl.Series(holdout_side(then, rows[key]), dtype=pl.Boolean))


def _on_unseen(look: Look, predictor: Predictor, labelled: pl.DataFrame) -> Performance | None:
    unseen = _unseen(look.then, labelled, look.then.catalog.entity.key)
    return _performance(look, _label(look.then, unseen), predictor.probability(unseen))


def _performance(look: Look, label: NDArray[np.int8], probability: Floats) -> Performance | None:
    settings, threshold = look.then.settings, look.champion.passport.result["decision"]["threshold"]
    return performance(
        label, probability, threshold=threshold, seed=settings.seed, draws=settings.bootstrap_draws
    )


def _answers(look: Look, labelled: pl.DataFrame) -> Answers:
    """The answers that were logged, joined with the labels that date them."""
    then, given = look.then, look.answers
    key, label = then.catalog.entity.key, then.catalog.label.column
    labels = labelled.select(pl.col(key).cast(pl.String).alias("key"), label)
    judged = given.newest.join(labels, on="key", how="inner").sort("key")
    unseen = _unseen(then, judged, "key")
    of_all, of_unseen = (
        _performance(look, _label(then, r), r["probability"].to_numpy()) for r in (judged, unseen)
    )
    return Answers(
        given=given.given,
        keys=len(given.newest),
        labelled=len(judged),
        unseen_labelled=len(unseen),
        all=of_all.metrics if of_all else None,
        unseen=of_unseen.metrics if of_unseen else None,
        others=given.others,
    )


def _notes(
    look: Look, rows: int, labelled: int, before: Performance | None, now: Performance | None
) -> Iterator[str]:
    """What could not be looked at, and what makes the comparison less than it seems."""
    drop, too_few = (
        look.drop,
        f"fewer than {FEW} of a class among the hold-out users: AUC is not looked at",
    )
    if drop.no_labels:
        yield drop.no_labels
    elif labelled < rows:
        yield f"{rows - labelled:,} of {rows:,} users have no label in the drop of {day(drop.label_at)}"
    if erased := erased_users(look.then, look.champion.passport):
        yield f"{erased:,} users that the version was trained on were erased on request, and are not in its rows"
    if drop.at == look.champion.passport.as_of:
        yield "this is the drop that the version was trained on"
    if before is None:
        yield f"the training set has {too_few}"
    if labelled and now is None:
        yield f"this drop has {too_few}"
    if look.answers.others:
        yield f"{look.answers.others:,} answers on this drop are of other versions and are not looked at"
