"""The training set of a recorded version, made again from the revisions that its passport names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.training.training_set import Source, TrainingSet
from streamflow.core.versions.passport import Passport, pair_months, summarize_training_set
from streamflow.errors import TrainingImpossible
from streamflow.platform import Platform
from streamflow.steps.training.feature_reading import (
    ReadRows,
    join_features,
    open_frozen_reader,
    read_table,
)
from streamflow.steps.training.month_rows import stack_months
from streamflow.steps.training.training_set import assemble
from streamflow.steps.versions.recorded_version import require_frozen
from streamflow.warehouse.known_drops import TrainingDrops


def rebuild_training_set(
    platform: Platform,
    passport: Passport,
    *,
    labels_of: Passport | None = None,
    read_rows: ReadRows | None = None,
) -> TrainingSet:
    """Make the training set of a passport again from the revisions that the passport names.

    The revisions are read by name. So neither the instant K, nor what was frozen later, nor Feast's
    registry has an influence.

    Args:
        platform: with the recorded catalog and settings
        passport: names the revisions of the features, month by month
        labels_of: the passport that names the revisions of the labels; by default `passport`
        read_rows: returns the rows of revisions that are in memory; by default the database is
            read

    Raises:
        NotRebuildable: a revision is no longer frozen
        TrainingImpossible: `labels_of` has a different number of months
    """
    require_equal_months(passport, labels_of or passport)
    label_months = (labels_of or passport).months
    return stack_months(
        platform,
        list(zip(passport.months, label_months, strict=True)),
        lambda month: _rebuild_month(platform, *month, read_rows),
    )


def require_equal_months(features: Passport, labels: Passport) -> None:
    """Raise TrainingImpossible unless features and labels are of as many months."""
    counts = len(features.months), len(labels.months)
    if counts[0] != counts[1]:
        raise TrainingImpossible(
            f"the features are of {count_of(counts[0], 'month')},"
            f" the labels of {count_of(counts[1], 'month')}"
        )


def _rebuild_month(
    platform: Platform,
    passport: Passport,
    label_passport: Passport,
    read_rows: ReadRows | None,
) -> TrainingSet:
    """Make the set of one month from two passports of one month each."""
    catalog = platform.catalog
    drops = TrainingDrops(
        as_of=passport.as_of,
        label_as_of=label_passport.label_as_of,
        label_lead=label_passport.label_lead,
        known_at=max(passport.known_at, label_passport.known_at),
    )
    feature_sources = _select_feature_sources(catalog, passport)
    label_sources = _select_label_sources(catalog, label_passport)
    return assemble_from_revisions(
        platform,
        drops,
        feature_sources,
        label_sources,
        read_rows=read_rows,
    )


def assemble_from_revisions(
    platform: Platform,
    drops: TrainingDrops,
    features: tuple[Source, ...],
    labels: tuple[Source, ...],
    *,
    read_rows: ReadRows | None = None,
) -> TrainingSet:
    """Make a training set from named revisions, with the feature definitions of `platform`.

    Raises NotRebuildable when a revision is no longer frozen.
    """
    catalog = platform.catalog
    require_frozen(platform, (*features, *labels))
    reader = read_rows or open_frozen_reader(platform)
    population = _read_population(catalog, drops.as_of, features, reader)
    key_and_label = _read_labels(catalog, labels, reader)
    label_only = (source for source in labels if source not in features)
    return assemble(
        catalog,
        drops,
        (*features, *label_only),
        population,
        key_and_label,
        lambda keys: join_features(platform, read_rows, keys, drops.as_of, features),
    )


def read_labelled_keys(platform: Platform, passport: Passport) -> pl.Series:
    """Return the keys of a recorded month in their order, without reading its features.

    `passport` is of one month. Raises NotRebuildable when a revision is no longer frozen.
    """
    catalog = platform.catalog
    read_rows = open_frozen_reader(platform)
    feature_sources = _select_feature_sources(catalog, passport)
    label_sources = _select_label_sources(catalog, passport)
    require_frozen(platform, (*feature_sources, *label_sources))
    key = catalog.entity.key
    population = _read_population(catalog, passport.as_of, feature_sources, read_rows)
    key_and_label = _read_labels(catalog, label_sources, read_rows)
    return population.join(key_and_label, on=key, how="semi").sort(key)[key]


def _read_population(
    catalog: Catalog,
    as_of: datetime,
    sources: Iterable[Source],
    read_rows: ReadRows,
) -> pl.DataFrame:
    """Read the keys of the drop of `as_of`. (n, 1)"""
    drop_sources = [source for source in sources if source.as_of == as_of]
    rows = read_table(read_rows, catalog.entity.table, [catalog.entity.key], drop_sources)
    return rows.drop("as_of")


def _read_labels(catalog: Catalog, sources: Iterable[Source], read_rows: ReadRows) -> pl.DataFrame:
    """Read the key and the label. (n, 2)"""
    columns = [catalog.entity.key, catalog.label.column]
    return read_table(read_rows, catalog.label.table, columns, sources).drop("as_of")


def describe_set_differences(passport: Passport, rows: TrainingSet) -> tuple[str, ...]:
    """Describe how a training set that was made again differs from the recorded one.

    Returns:
        one sentence per difference; nothing when both have the same digest
    """
    recorded = passport.result["training_set"]
    rebuilt = summarize_training_set(rows)
    if recorded["digest"] == rebuilt["digest"]:
        return ()
    sentences = tuple(
        sentence
        for month, recorded_month, rebuilt_month in pair_months(recorded, rebuilt)
        for sentence in _describe_month_differences(month, recorded_month, rebuilt_month)
    )
    return sentences or ("the dates of its months are not the recorded ones",)


def _describe_month_differences(
    month: str,
    recorded: Mapping[str, Any] | None,
    rebuilt: Mapping[str, Any] | None,
) -> list[str]:
    """Describe how one month differs. The name of the month is empty for a set of one month."""
    prefix = f"month of {month}: " if month else ""
    if recorded is None or rebuilt is None:
        return [f"{prefix}it is {'not recorded' if recorded is None else 'missing'}"]
    if recorded["digest"] == rebuilt["digest"]:
        return []
    sentences = []
    if recorded["rows"] != rebuilt["rows"]:
        sentences.append(compare_row_counts("it", rebuilt["rows"], recorded["rows"]))
    for name, digest in rebuilt["columns"].items():
        if recorded["columns"].get(name) != digest:
            sentences.append(f"the values of {name} are not the recorded ones")
    if not sentences:
        sentences.append(
            f"its keys are not the recorded ones: their digest is {rebuilt['digest']},"
            f" the recorded digest is {recorded['digest']}"
        )
    return [f"{prefix}{sentence}" for sentence in sentences]


def compare_row_counts(subject: str, rebuilt: int, recorded: int) -> str:
    """Say how many rows a rebuilt training set has, and how many were recorded.

    >>> compare_row_counts("it", 1, 400)
    'it has 1 row, 400 rows were recorded'
    """
    verb = choose_form(recorded, "was", "were")
    return f"{subject} has {count_of(rebuilt, 'row')}, {count_of(recorded, 'row')} {verb} recorded"


def _select_label_sources(catalog: Catalog, passport: Passport) -> tuple[Source, ...]:
    return tuple(
        source
        for source in passport.sources
        if source.table == catalog.label.table and source.as_of == passport.label_as_of
    )


def _select_feature_sources(catalog: Catalog, passport: Passport) -> tuple[Source, ...]:
    """Select the revisions that the population and the features are read from."""
    view_tables = (view.table for view in catalog.views.values())
    tables = {catalog.entity.table, *view_tables}
    return tuple(source for source in passport.sources if source.table in tables)
