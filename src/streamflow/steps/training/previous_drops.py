"""Compare a training set with the drops before it: counters, base rate and label rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.statistics.intervals import measure_ranking
from streamflow.core.training import panel_honesty
from streamflow.core.training.column_honesty import has_enough_of_each_class
from streamflow.core.training.honesty import HonestyFinding
from streamflow.core.training.row_sources import DatedRevision
from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import TrainingSet
from streamflow.errors import TrainingImpossible
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.steps.data.frozen_checks import load_intact
from streamflow.steps.data.loaded_rows import read_provenance
from streamflow.steps.training.feature_reading import read_features
from streamflow.steps.training.training_set import assemble, select_revisions
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision, RevisionKey
from streamflow.warehouse.known_drops import TrainingDrops, read_known_drops

# So many rows are read by index, spread over all keys. They are enough for every interval.
SAMPLE = 10_000


def sample_evenly(frame: pl.DataFrame) -> pl.DataFrame:
    """Return every n-th row of a frame in its order: at most SAMPLE rows."""
    if len(frame) <= SAMPLE:
        return frame
    step = -(-len(frame) // SAMPLE)  # rounded up
    return frame.gather_every(step)


class PreviousDrops:
    """The drops up to the drop of a training set, as known at its K, without pruned revisions."""

    def __init__(self, platform: Platform, rows: TrainingSet) -> None:
        self._known = read_known_drops(
            platform.connection,
            platform.catalog,
            known_at=rows.known_at,
            without_pruned=True,
        )
        self.revisions = {
            (revision.table, revision.as_of): revision for revision in self._known.revisions
        }
        self._catalog = platform.catalog
        self._before = rows.as_of

    def list_revisions(self, drops: Iterable[TrainingDrops | None]) -> list[RevisionKey]:
        """Return the revisions of the training set's drop, and those of some drops before it."""
        revisions = list(self.revisions.values())
        keys = [revision.revision_key for revision in revisions if revision.as_of == self._before]
        for drop in filter(None, drops):
            needed = select_revisions(self._catalog, revisions, drop.as_of, drop.label_as_of)
            keys += [revision.revision_key for revision in needed]
        return keys

    def find_previous(self) -> datetime | None:
        """Return the drop before this one, with or without labels."""
        earlier = [drop for drop in self._known.drops if drop < self._before]
        return max(earlier, default=None)

    def find_labelled(self, lead: int) -> TrainingDrops | None:
        """Return the newest drop before this one that has labels of this lead."""
        return self._known.find_newest_labelled(lead, earlier_than=self._before)


def compare_counters(
    platform: Platform,
    rows: TrainingSet,
    previous_drops: PreviousDrops,
    keys: pl.Series,
) -> Iterator[HonestyFinding]:
    """Check the columns that must not have shrunk since the previous drop, labelled or not.

    A key that was not in the previous drop is left out.
    """
    previous = previous_drops.find_previous()
    if previous is None:
        return
    for table, spec in platform.catalog.frozen_tables.items():
        counters = [name for name, column in spec.columns.items() if column.counter]
        former_revision = previous_drops.revisions.get((table, previous))
        revision = previous_drops.revisions.get((table, rows.as_of))
        if not counters or former_revision is None or revision is None:
            continue
        load_intact(platform, [former_revision, revision])
        former_values = _read_columns(platform, former_revision, counters, keys)
        values = _read_columns(platform, revision, counters, keys)
        pairs = former_values.join(values, on=rows.key, suffix=" now")
        for name in counters:
            former = pairs[name].cast(pl.Float64).to_numpy()
            current = pairs[f"{name} now"].cast(pl.Float64).to_numpy()
            yield from panel_honesty.check_counter(name, former, current, since=previous.date())


def _read_columns(
    platform: Platform,
    revision: Revision,
    columns: list[str],
    keys: pl.Series,
) -> pl.DataFrame:
    """Read columns of these keys in one revision. (n, the key and `columns`)"""
    revisions = [DatedRevision(revision.as_of, revision.revision, revision.known_at)]
    rows = read_provenance(platform, revision.table, columns, revisions, keys)
    return rows.select(platform.catalog.entity.key, *columns)


def read_keys_and_labels(platform: Platform, drops: TrainingDrops) -> pl.DataFrame:
    """Read the keys of a drop that have a label, in their order. (n, the key and the label)"""
    catalog = platform.catalog
    key = catalog.entity.key
    population = frozen.keys_and_labels(
        platform.address,
        catalog.entity.table,
        key,
        None,
        drops.as_of,
        drops.known_at,
    )
    labels = frozen.keys_and_labels(
        platform.address,
        catalog.label.table,
        key,
        catalog.label.column,
        drops.label_as_of,
        drops.known_at,
    )
    return population.join(labels, on=key, how="inner").sort(key)


def count_who_stayed(
    platform: Platform,
    rows: TrainingSet,
    drops: TrainingDrops,
    former_labels: pl.DataFrame,
) -> Iterator[HonestyFinding]:
    """Count the keys whose label was true in an earlier drop, and that are still in this drop.

    Args:
        platform: the open platform
        rows: the training set
        drops: the newest labelled drop before this one
        former_labels: the keys and the labels of that drop
    """
    population = rows.frame.select(rows.key)
    if rows.without_label:
        population = frozen.keys_and_labels(
            platform.address,
            platform.catalog.entity.table,
            rows.key,
            None,
            rows.as_of,
            rows.known_at,
        )
    positive = former_labels.filter(pl.col(rows.label))
    stayed = positive.join(population, on=rows.key, how="semi")
    yield from panel_honesty.check_leavers_left(
        len(stayed),
        len(positive),
        earlier_drop=drops.as_of.date(),
        current_drop=rows.as_of.date(),
    )


def compare_labelled_drop(
    platform: Platform,
    rows: TrainingSet,
    drops: TrainingDrops,
    former_labels: pl.DataFrame,
    sample: pl.DataFrame,
) -> Iterator[HonestyFinding]:
    """Compare base rate and label rule with the labelled drop before this one.

    Args:
        drops: the newest earlier drop that has labels of the same lead
        former_labels: the keys and the labels of that drop
        sample: rows of the training set
    """
    since = drops.as_of.date()
    yield from panel_honesty.check_base_rate(
        former_labels[rows.label].to_numpy(), rows.labels.astype(bool), since=since
    )
    try:
        former = _assemble_former_set(platform, rows.key, drops, sample_evenly(former_labels))
        yield from compare_label_rule(
            former.frame,
            sample,
            platform.catalog,
            platform.settings,
            since=since,
        )
    except TrainingImpossible as exc:
        yield HonestyFinding(
            check="label-rule",
            severity="note",
            words=f"there is no model of {since} to compare the label rule with: {exc.message}",
        )


def _assemble_former_set(
    platform: Platform,
    key: str,
    drops: TrainingDrops,
    labels: pl.DataFrame,
) -> TrainingSet:
    """Assemble the training set of an earlier drop. Raises TrainingImpossible."""
    return assemble(
        platform.catalog,
        drops,
        (),
        labels.select(key),
        labels,
        lambda keys: read_features(platform, keys, drops.as_of, drops.known_at),
    )


def compare_label_rule(
    former: pl.DataFrame,
    current: pl.DataFrame,
    catalog: Catalog,
    settings: Settings,
    *,
    since: date,
) -> list[HonestyFinding]:
    """Compare how well a quick model of the former set ranks both hold-outs.

    The model is trained on the training side of the former set. A key is on the same side in both
    sets, so the model has seen no row of a hold-out.

    Args:
        former: the key, the features and the label of the earlier drop
        current: the key, the features and the label of this drop
        catalog: names the key, the features and the label
        settings: how keys are split
        since: the day of the earlier drop
    """
    from streamflow.models.ranking_model import fit_ranking

    features = [feature.name for feature in catalog.features]
    label = catalog.label.column
    former_holdout = _holdout_mask(former, catalog, settings)
    current_holdout = _holdout_mask(current, catalog, settings)
    training_rows = former.filter(~former_holdout)
    former_rows = former.filter(former_holdout)
    current_rows = current.filter(current_holdout)
    labels = [frame[label].to_numpy() for frame in (training_rows, former_rows, current_rows)]
    if not all(map(has_enough_of_each_class, labels)):
        sentence = f"too few rows of one class to compare the label rule with that of {since}"
        return [HonestyFinding(check="label-rule", severity="note", words=sentence)]
    training_labels, former_labels, current_labels = labels
    rank = fit_ranking(training_rows.select(features), training_labels, catalog.features)
    former_ranking = measure_ranking(former_labels, rank(former_rows.select(features)))
    current_ranking = measure_ranking(current_labels, rank(current_rows.select(features)))
    return panel_honesty.check_label_rule(former_ranking, current_ranking, since=since)


def _holdout_mask(frame: pl.DataFrame, catalog: Catalog, settings: Settings) -> pl.Series:
    keys = frame[catalog.entity.key]
    return pl.Series(is_holdout(keys, salt=settings.split_salt, share=settings.holdout_share))
