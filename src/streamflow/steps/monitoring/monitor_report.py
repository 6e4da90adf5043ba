"""Make a monitoring report from its inputs.

It says which features drifted, how well the version predicts now, and how its logged answers
turned out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.data.instants import format_instant
from streamflow.core.monitoring.drift import FeatureDrift, compare_features
from streamflow.core.monitoring.performance import (
    MIN_PER_CLASS,
    ConceptDrift,
    LabelDrift,
    Performance,
    compare_labels,
    compare_performance,
    measure_performance,
)
from streamflow.core.monitoring.report import AnswerOutcomes, Report
from streamflow.core.statistics.metrics import Floats
from streamflow.core.statistics.threshold import parse_threshold
from streamflow.core.training.training_set import TrainingSet
from streamflow.platform import Platform
from streamflow.steps.monitoring.monitor_inputs import (
    MonitoredDrop,
    ReportInputs,
    in_holdout,
    read_population,
    read_rows,
    rebuild_reference,
)
from streamflow.steps.versions.recorded_version import count_erased_users
from streamflow.steps.versions.registered_version import load_predictor

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor


def make_report(inputs: ReportInputs) -> Report:
    """Compute the report. A part that the drop does not allow is None, and a note says why.

    Raises:
        NotRebuildable: the rows that the version was trained on cannot be rebuilt.
        ArtifactUntrusted: the model file is not the registered one.
    """
    platform = inputs.recorded_platform
    champion = inputs.champion
    drop = inputs.drop
    platform.notify(f"making the training set of version {champion.version.version} again")
    reference = rebuild_reference(platform, champion)
    rows = read_rows(platform, drop)
    population = read_population(platform, champion, reference)
    labelled = rows.drop_nulls(platform.catalog.label.column)
    platform.notify(f"comparing {count_of(len(rows), 'user')} with {len(population):,}")
    features = _compare_features(platform, population, rows)
    platform.notify("asking the version on hold-out users")
    predictor = load_predictor(platform, champion)
    reference_performance = _measure_holdout(inputs, predictor, reference.frame)
    performance_now = _measure_holdout(inputs, predictor, labelled)
    notes = _notes(inputs, len(rows), len(labelled), reference_performance, performance_now)
    return Report(
        evidence=inputs.evidence,
        reference_as_of=champion.passport.as_of.date(),
        reference_rows=len(population),
        rows=len(rows),
        label_lead=champion.passport.label_lead,
        label_as_of=drop.label_at.date() if drop.label_at else None,
        features=features,
        labels=_compare_labels(platform, reference, labelled),
        then=reference_performance,
        now=performance_now,
        concept=_compare_performance(reference_performance, performance_now),
        answers=_judge_answers(inputs, labelled),
        notes=tuple(notes),
    )


def _compare_features(
    platform: Platform,
    reference: pl.DataFrame,
    rows: pl.DataFrame,
) -> tuple[FeatureDrift, ...]:
    """Return the drift of each feature. The key and the label are not features."""
    features = platform.catalog.features
    names = [feature.name for feature in features]
    return compare_features(
        reference.select(names),
        rows.select(names),
        categorical={feature.name for feature in features if feature.column.categorical},
        drift_psi=platform.settings.drift_psi,
        false_discovery=platform.settings.drift_false_discovery,
    )


def _compare_labels(
    platform: Platform,
    reference: TrainingSet,
    labelled: pl.DataFrame,
) -> LabelDrift | None:
    """Return the drift of the labels; None for a drop without labels."""
    if not len(labelled):
        return None
    return compare_labels(reference.labels, _label_values(platform, labelled))


def _compare_performance(
    reference: Performance | None,
    current: Performance | None,
) -> ConceptDrift | None:
    """Return how the performance changed; None where one of the two could not be measured."""
    if reference is None or current is None:
        return None
    return compare_performance(reference, current)


def _label_values(platform: Platform, labelled: pl.DataFrame) -> NDArray[np.int8]:
    """Return the labels of rows that have one, as 0 and 1."""
    return labelled[platform.catalog.label.column].cast(pl.Int8).to_numpy()


def _holdout_rows(platform: Platform, rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the rows of hold-out users. The version was not trained on them in any month."""
    is_holdout = pl.Series(in_holdout(platform, rows[key]), dtype=pl.Boolean)
    return rows.filter(is_holdout)


def _measure_holdout(
    inputs: ReportInputs,
    predictor: Predictor,
    labelled: pl.DataFrame,
) -> Performance | None:
    """Measure the version's predictions for hold-out users; None for too few labels."""
    platform = inputs.recorded_platform
    rows = _holdout_rows(platform, labelled, platform.catalog.entity.key)
    return _measure(inputs, _label_values(platform, rows), predictor.probability(rows))


def _measure(
    inputs: ReportInputs,
    labels: NDArray[np.int8],
    probabilities: Floats,
) -> Performance | None:
    """Measure probabilities against labels with the version's threshold and seed."""
    settings = inputs.recorded_platform.settings
    decision = inputs.champion.passport.result["decision"]
    return measure_performance(
        labels,
        probabilities,
        threshold=parse_threshold(decision["threshold"]),
        seed=settings.seed,
        draws=settings.bootstrap_draws,
    )


def _judge_answers(inputs: ReportInputs, labelled: pl.DataFrame) -> AnswerOutcomes | None:
    """Compare the logged answers on the drop with its labels; None without logged answers."""
    platform = inputs.recorded_platform
    answers = inputs.answers
    if not answers.prediction_count and not answers.other_version_count:
        return None
    key = platform.catalog.entity.key
    labels = labelled.select(
        pl.col(key).cast(pl.String).alias("key"), platform.catalog.label.column
    )
    judged = answers.newest.join(labels, on="key", how="inner").sort("key")
    unseen = _holdout_rows(platform, judged, "key")

    def measure(rows: pl.DataFrame) -> Performance | None:
        return _measure(inputs, _label_values(platform, rows), rows["probability"].to_numpy())

    judged_performance = measure(judged)
    unseen_performance = measure(unseen)
    return AnswerOutcomes(
        given=answers.prediction_count,
        keys=len(answers.newest),
        labelled=len(judged),
        unseen_labelled=len(unseen),
        all=judged_performance.metrics if judged_performance else None,
        unseen=unseen_performance.metrics if unseen_performance else None,
        others=answers.other_version_count,
    )


def _notes(
    inputs: ReportInputs,
    row_count: int,
    labelled_count: int,
    reference_performance: Performance | None,
    performance_now: Performance | None,
) -> Iterator[str]:
    """Yield what could not be compared, and what limits the comparison."""
    drop = inputs.drop
    passport = inputs.champion.passport
    too_few = f"fewer than {MIN_PER_CLASS} hold-out users of a class: the AUC is not computed"
    if drop.no_labels:
        yield drop.no_labels
    elif labelled_count < row_count:
        yield _describe_unlabelled(drop, row_count, row_count - labelled_count)
    erased_count = count_erased_users(inputs.recorded_platform, passport.months[-1])
    if erased_count:
        yield f"users erased on request, who are missing from the training rows: {erased_count:,}"
    if drop.at in {month.as_of for month in passport.months}:
        drops = "the drop" if len(passport.months) == 1 else "one of the drops"
        yield f"this is {drops} that the version was trained on"
    if len(passport.months) > 1:
        yield (
            f"the version was trained on {len(passport.months)} months:"
            f" the drop is compared with the newest one, {passport.as_of:%Y-%m-%d}"
        )
    if reference_performance is None:
        yield f"the training set has {too_few}"
    if labelled_count and performance_now is None:
        yield f"this drop has {too_few}"
    if inputs.answers.other_version_count:
        count = inputs.answers.other_version_count
        yield f"answers of different versions on this drop, not compared: {count:,}"


def _describe_unlabelled(drop: MonitoredDrop, row_count: int, unlabelled_count: int) -> str:
    """Return the note that some users of the drop have no label."""
    verb = choose_form(unlabelled_count, "has", "have")
    return (
        f"{unlabelled_count:,} of {count_of(row_count, 'user')} {verb} no label "
        f"in the drop of {format_instant(drop.label_at)}"
    )
