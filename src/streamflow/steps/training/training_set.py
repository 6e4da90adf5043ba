"""training-set: the features as of D and the labels of the drop that dates them, as known at K.

A set of many months has this for each of the last labelled drops, each with its own K.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.training.training_set import (
    Source,
    TrainingSet,
    describe_revision,
)
from streamflow.errors import LabelsMissing, SnapshotMissing, TrainingImpossible
from streamflow.platform import Platform
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.frozen_checks import held_against_digests
from streamflow.steps.observed import observed
from streamflow.steps.training.feature_reading import MonthReader, open_month_reader
from streamflow.steps.training.month_rows import stack_months
from streamflow.steps.training.months import find_months
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.known_drops import KnownDrops, TrainingDrops, read_known_drops


@observed("training-set")
def training_set(
    platform: Platform,
    as_of: datetime,
    *,
    label_lead: int = 0,
    known_at: datetime | None = None,
    months: int = 1,
) -> TrainingSet:
    """Assemble the training set of a drop, or of the last labelled drops. Nothing is written.

    The rows of a month are the keys of its drop that have a label in its label drop.

    Args:
        platform: the open platform
        as_of: the drop that the features describe; of many months, the newest one
        label_lead: how many drops after its own the label drop of a month is
        known_at: use what was known at this instant; by default what is known now
        months: how many labelled drops, up to `as_of`

    Raises:
        SnapshotMissing: `as_of` is not frozen, or a revision that is needed was pruned
        LabelsMissing: the label drop is not frozen or has no labels, or there are fewer labelled
            drops than months; labels of a different drop are never used instead
    """
    catalog = platform.catalog
    known_drops = read_known_drops(platform.connection, catalog, known_at=known_at)
    if as_of not in known_drops.drops:
        raise SnapshotMissing(
            f"no snapshot of {as_of:%Y-%m-%d} was known at {known_drops.known_at.isoformat()};"
            f" frozen drops: {known_drops.listed}"
        )
    newest = known_drops.training_drops(
        as_of, _find_label_drop(catalog, known_drops, as_of, label_lead), label_lead
    )
    drops_of_months = find_months(platform, known_drops, newest, months)
    return _read_months(platform, [_find_month(platform, drops) for drops in drops_of_months])


@dataclass(frozen=True, kw_only=True)
class _Month:
    """One month to read: its drops, and every revision that a row can come from."""

    drops: TrainingDrops
    sources: tuple[Source, ...]


def _find_month(platform: Platform, drops: TrainingDrops) -> _Month:
    """Find the revisions of a month as known at its K. Raises SnapshotMissing if one was pruned."""
    connection = platform.connection
    catalog = platform.catalog
    newest = frozen.revisions(connection, known_at=drops.known_at)
    pruned = frozen.pruned_revisions(connection, newest, drops.known_at)
    _refuse_pruned(
        select_revisions(catalog, pruned, drops.as_of, drops.label_as_of), drops.known_at
    )
    needed = select_revisions(catalog, newest, drops.as_of, drops.label_as_of)
    return _Month(drops=drops, sources=frozen.sources(connection, needed))


def _read_months(platform: Platform, months: Sequence[_Month]) -> TrainingSet:
    """Read the population, the labels and the features of each month, and put them together.

    What is read is held against the digests of its revisions.
    """
    sources = {source.revision_key: source for month in months for source in month.sources}
    reader = open_month_reader(platform)
    engine = open_step_engine(platform)
    with held_against_digests(
        platform, sources.values(), state="No training set was made.", engine=engine
    ):
        return stack_months(
            platform, months, lambda month: _assemble_known_rows(platform.catalog, month, reader)
        )


def _assemble_known_rows(catalog: Catalog, month: _Month, reader: MonthReader) -> TrainingSet:
    drops = month.drops
    return assemble(
        catalog,
        drops,
        month.sources,
        reader.read_population(drops, month.sources),
        reader.read_labels(drops, month.sources),
        lambda keys: reader.read_features(keys, drops, month.sources),
    )


def _refuse_pruned(pruned: list[Revision], known_at: datetime) -> None:
    """Raise SnapshotMissing when a revision that is needed was pruned."""
    if pruned:
        sentences = []
        for revision in pruned:
            name = describe_revision(revision.table, revision.as_of, revision.revision)
            sentences.append(
                f"{name}, the newest revision known at {known_at.isoformat()}, was pruned"
            )
        raise SnapshotMissing(
            "\n".join(sentences),
            remedy="Leave out --known-at to use what is known now, or name an earlier instant."
            " Each month of --months N is read as known in its own time: ask for fewer months.",
        )


def assemble(
    catalog: Catalog,
    drops: TrainingDrops,
    sources: tuple[Source, ...],
    population: pl.DataFrame,
    labels: pl.DataFrame,
    features_of: Callable[[pl.DataFrame], pl.DataFrame],
) -> TrainingSet:
    """Put a training set together: the keys of the population that have a label, in their order.

    Args:
        sources: the revisions that the rows come from
        population: (n, 1) the keys
        labels: (m, 2) the key and the label
        features_of: returns the features of the keys that it is called with, in their order

    Raises:
        TrainingImpossible: no key has a label, or a feature that is not nullable has no value
    """
    key = catalog.entity.key
    label = catalog.label.column
    rows = population.join(labels, on=key, how="inner").sort(key)
    if rows.is_empty():
        raise TrainingImpossible(
            f"no key of the drop of {drops.as_of:%Y-%m-%d} has a label"
            f" in the drop of {drops.label_as_of:%Y-%m-%d}"
        )
    names = tuple(feature.name for feature in catalog.features)
    features = features_of(rows.select(key)).select(names)
    _require_complete(catalog, features, drops.as_of)
    return TrainingSet(
        rows=pl.concat([rows.select(key), features, rows.select(label)], how="horizontal"),
        key=key,
        features=names,
        label=label,
        types=_column_types(catalog),
        as_of=drops.as_of,
        label_as_of=drops.label_as_of,
        label_lead=drops.label_lead,
        known_at=drops.known_at,
        sources=sources,
        without_label=len(population) - len(rows),
    )


def _column_types(catalog: Catalog) -> dict[str, str]:
    """Return the type of each column of a training set, in their order."""
    types: dict[str, str] = {catalog.entity.key: catalog.entity.type}
    for feature in catalog.features:
        types[feature.name] = feature.column.type
    types[catalog.label.column] = "bool"
    return types


def _find_label_drop(
    catalog: Catalog, known_drops: KnownDrops, as_of: datetime, lead: int
) -> datetime:
    """Return the drop that dates the labels of `as_of`. Raises LabelsMissing."""
    label_drop = known_drops.find_label_drop(as_of, lead)
    if label_drop is None:
        later_drops = sum(drop > as_of for drop in known_drops.drops)
        raise LabelsMissing(
            f"with --label-lead {lead}, the labels of {as_of:%Y-%m-%d} are in drop number {lead}"
            f" after it, and only {count_of(later_drops, 'later drop')}"
            f" {choose_form(later_drops, 'is', 'are')} frozen"
        )
    if label_drop not in known_drops.labelled:
        file = catalog.file(catalog.label.table)
        raise LabelsMissing(f"the drop of {label_drop:%Y-%m-%d} has no {file}")
    return label_drop


def _require_complete(catalog: Catalog, features: pl.DataFrame, as_of: datetime) -> None:
    """Raise TrainingImpossible when a feature that is not nullable has no value in some rows.

    A model cannot learn from such a null.
    """
    lines = []
    for feature in catalog.features:
        null_count = features[feature.name].null_count()
        if null_count and not feature.column.nullable:
            lines.append(
                f"feature '{feature.name}' is not nullable, and {null_count:,} of"
                f" {count_of(len(features), 'row')} have no value as of {as_of:%Y-%m-%d}"
            )
    if lines:
        raise TrainingImpossible(
            "\n".join(lines),
            violations=lines,
            remedy="If the column was added to the catalog later, run"
            f" 'streamflow snapshot --as-of {as_of:%Y-%m-%d}'. If not, deliver the drop again"
            " with values, or write nullable = true in the catalog. An earlier month of --months N"
            " has only what was known in its own time: ask for fewer months.",
        )


def select_revisions(
    catalog: Catalog, newest: Sequence[Revision], as_of: datetime, label_as_of: datetime | None
) -> list[Revision]:
    """Select every revision that a row of the training set can come from.

    Args:
        newest: the newest revision of each drop
        as_of: the instant of the features
        label_as_of: the drop of the labels; None leaves the labels out
    """
    ttls = _longest_ttls(catalog)

    def can_be_read(revision: Revision) -> bool:
        """Say whether a row of the training set can come from this revision."""
        if revision.table == catalog.entity.table and revision.as_of == as_of:
            return True
        if revision.table == catalog.label.table and revision.as_of == label_as_of:
            return True
        ttl = ttls.get(revision.table)
        return ttl is not None and as_of - ttl <= revision.as_of <= as_of

    return [revision for revision in newest if can_be_read(revision)]


def _longest_ttls(catalog: Catalog) -> dict[str, timedelta]:
    """Return the longest ttl of the views of each table."""
    ttls: dict[str, timedelta] = {}
    for name, view in catalog.views.items():
        ttl = catalog.ttl(name)
        ttls[view.table] = max(ttl, ttls.get(view.table, ttl))
    return ttls
