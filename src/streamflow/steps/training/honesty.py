"""Label and panel honesty: what speaks against a training set, found before anything is learned from it. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.statistics.intervals import ranking
from streamflow.core.training import panel_honesty as panel
from streamflow.core.training.column_honesty import constants, deciding, enough
from streamflow.core.training.honesty import Finding, Honesty, label_period
from streamflow.core.training.row_sources import Place
from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import Source, TrainingSet, label_as_of
from streamflow.errors import TrainingImpossible
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.steps.training.training_set import Drops, assembled, features_at
from streamflow.warehouse import frozen, late_data, provenance
from streamflow.warehouse.frozen import Revision

SAMPLE = 10_000  # rows that are looked at, spread over all keys: so many are found by index, and enough for every interval


def label_honesty(platform: Platform, rows: TrainingSet) -> Honesty:
    """Every check of a training set, as known at its K: of the set alone, of late revisions, of the drops before it."""
    known, sample = _Known(platform, rows), _spread(rows.frame)
    previous, labelled = known.labelled(rows.label_lead), known.labelled(0)
    former = {when: _keys_and_labels(platform, when) for when in {previous, labelled} if when}
    findings = [
        *label_period(rows.as_of.date(), rows.label_as_of.date()),
        *deciding(sample.select(rows.features), sample[rows.label].to_numpy()),
        *_late(platform, rows),
        *constants(rows.matrix),
        *_counters(platform, rows, known, sample[rows.key]),
        *(_stayed(platform, rows, labelled, former[labelled]) if labelled else []),
        *(
            _against(platform, rows, previous, former[previous], sample)
            if previous
            else [_nothing_before(rows)]
        ),
    ]
    return Honesty(
        as_of=rows.as_of.date(),
        label_as_of=rows.label_as_of.date(),
        label_lead=rows.label_lead,
        previous=previous.as_of.date() if previous else None,
        rows=len(rows.frame),
        findings=tuple(findings),
    )


def _nothing_before(rows: TrainingSet) -> Finding:
    words = f"no drop before {rows.as_of:%Y-%m-%d} has labels: base rate and label rule are not compared"
    return Finding(check="previous-drop", severity="note", words=words)


def _spread(frame: pl.DataFrame) -> pl.DataFrame:
    """At most SAMPLE rows of all of them, in their order: every n-th."""
    return frame.gather_every(-(-len(frame) // SAMPLE)) if len(frame) > SAMPLE else frame


class _Known:
    """The drops up to that of a training set, as known at its K; what was pruned since is not among them."""

    def __init__(self, platform: Platform, rows: TrainingSet) -> None:
        newest = frozen.revisions(platform.connection, known_at=rows.known_at)
        gone = {
            (r.table, r.as_of) for r in frozen.pruned(platform.connection, newest, rows.known_at)
        }
        self.revisions = {(r.table, r.as_of): r for r in newest if (r.table, r.as_of) not in gone}
        self.drops = sorted(
            as_of for table, as_of in self.revisions if table == platform.catalog.entity.table
        )
        self._labels, self._rows = platform.catalog.label.table, rows

    def before(self) -> datetime | None:
        """The drop before this one, labelled or not."""
        return max((d for d in self.drops if d < self._rows.as_of), default=None)

    def labelled(self, lead: int) -> Drops | None:
        """The newest drop before this one that has labels of this lead."""
        for as_of in sorted((d for d in self.drops if d < self._rows.as_of), reverse=True):
            at = label_as_of(as_of, lead, self.drops)
            if at and (self._labels, at) in self.revisions:
                return Drops(
                    as_of=as_of, label_as_of=at, label_lead=lead, known_at=self._rows.known_at
                )
        return None


def _late(platform: Platform, rows: TrainingSet) -> Iterator[Finding]:
    """Revisions of features that became known after the labels: what they changed, and for whom."""
    label_known = late_data.first_known(
        platform.connection, platform.catalog.label.table, rows.label_as_of
    )
    for source in _newest_of_each_table(platform, rows):
        features = [f.name for f in platform.catalog.features if f.table == source.table]
        if not features or source.known_at <= label_known:
            continue
        former = late_data.newest_known(
            platform.connection, source.table, source.as_of, label_known
        )
        if former is None or not former[1]:
            why = (
                "nothing of it was known before"
                if former is None
                else "the revision known before was pruned"
            )
            words = f"{source}, came after the labels, and {why}: what it tells of the outcome is not checked"
            yield Finding(check="late-features", severity="note", subject=source.table, words=words)
            continue
        changed = late_data.changed_columns(platform.address, source, former[0], rows.key, features)
        for name in features:
            keys = changed.filter(pl.col(name))[rows.key]
            yield from panel.late_revision(
                name,
                str(source),
                rows.frame[rows.key].is_in(keys.implode()).to_numpy(),
                rows.labels.astype(bool),
            )


def _newest_of_each_table(platform: Platform, rows: TrainingSet) -> Iterator[Source]:
    """The revisions that nearly every feature comes from; those of older drops stand in for a key here and there."""
    for table in platform.catalog.feature_tables:
        read = [s for s in rows.sources if s.table == table and s.as_of <= rows.as_of]
        if read:
            yield max(read, key=lambda s: s.as_of)


def _counters(
    platform: Platform, rows: TrainingSet, known: _Known, keys: pl.Series
) -> Iterator[Finding]:
    """Columns that should have grown since the drop before, labelled or not. Who was absent from it is not looked at."""
    before, catalog = known.before(), platform.catalog
    for table, spec in catalog.tables.items():
        names = [name for name, column in spec.columns.items() if column.counter]
        places = [known.revisions.get((table, as_of)) for as_of in (before, rows.as_of) if as_of]
        if not names or before is None or None in places:
            continue
        frames = [_at(platform, place, names, keys) for place in places if place]
        both = frames[0].join(frames[1], on=rows.key, suffix=" now")
        for name in names:
            was, now = (both[n].cast(pl.Float64).to_numpy() for n in (name, f"{name} now"))
            yield from panel.counter(name, was, now, since=before.date())


def _at(platform: Platform, place: Revision, names: list[str], keys: pl.Series) -> pl.DataFrame:
    """Columns of these keys in one revision. (n, the key and `names`)"""
    entity = platform.catalog.entity
    wanted = [Place(place.as_of, place.revision, place.known_at)]
    return provenance.rows(
        platform.address, place.table, (entity.key, entity.type), names, wanted, keys
    ).select(entity.key, *names)


def _against(
    platform: Platform, rows: TrainingSet, when: Drops, former: pl.DataFrame, sample: pl.DataFrame
) -> Iterator[Finding]:
    """The set held against the labelled drop before it, of which `former` has keys and labels."""
    since = when.as_of.date()
    yield from panel.base_rate(former[rows.label].to_numpy(), rows.labels.astype(bool), since=since)
    try:
        yield from _rule(platform, rows, when, _spread(former), sample)
    except TrainingImpossible as exc:
        yield Finding(
            check="label-rule",
            severity="note",
            words=f"no model of {since} to compare the label rule with: {exc.message}",
        )


def _keys_and_labels(platform: Platform, when: Drops) -> pl.DataFrame:
    """Every key of a drop that has a label, in their order. (n, the key and the label)"""
    catalog, key = platform.catalog, platform.catalog.entity.key
    people = frozen.keys_and_labels(
        platform.address, catalog.entity.table, key, None, when.as_of, when.known_at
    )
    labels = frozen.keys_and_labels(
        platform.address,
        catalog.label.table,
        key,
        catalog.label.column,
        when.label_as_of,
        when.known_at,
    )
    return people.join(labels, on=key, how="inner").sort(key)


def _rule(
    platform: Platform, rows: TrainingSet, when: Drops, former: pl.DataFrame, sample: pl.DataFrame
) -> list[Finding]:
    """The label rule of the drop before against that of this one. Raises TrainingImpossible when a feature is not there."""
    before = assembled(
        platform.catalog,
        when,
        (),
        former.select(rows.key),
        former,
        lambda keys: features_at(platform, keys, when.as_of, when.known_at),
    )
    return rule_compared(
        before.frame, sample, platform.catalog, platform.settings, since=when.as_of.date()
    )


def rule_compared(
    before: pl.DataFrame, now: pl.DataFrame, catalog: Catalog, settings: Settings, *, since: date
) -> list[Finding]:
    """A quick model of the training side of the set before, asked for the hold-out of that set and of this one.

    Both hold the key, the features and the label. A key is on one side in both, so that the model knows no row of a hold-out.
    """
    from streamflow.models.ranking_model import fit_ranking

    features, label = [f.name for f in catalog.features], catalog.label.column
    held = [
        pl.Series(
            is_holdout(
                frame[catalog.entity.key], salt=settings.split_salt, share=settings.holdout_share
            )
        )
        for frame in (before, now)
    ]
    sides = [before.filter(~held[0]), before.filter(held[0]), now.filter(held[1])]
    labels = [side[label].to_numpy() for side in sides]
    if not all(map(enough, labels)):
        words = f"too few rows of one class to compare the label rule with that of {since}"
        return [Finding(check="label-rule", severity="note", words=words)]
    rank = fit_ranking(sides[0].select(features), labels[0], catalog.features)
    there, here = (
        ranking(y, rank(side.select(features)))
        for y, side in zip(labels[1:], sides[1:], strict=True)
    )
    return panel.label_rule(there, here, since=since)


def _stayed(
    platform: Platform, rows: TrainingSet, when: Drops, former: pl.DataFrame
) -> Iterator[Finding]:
    """Those whose label in the newest labelled drop before is true, and who are in this one all the same."""
    people = rows.frame.select(rows.key)
    if rows.without_label:
        people = frozen.keys_and_labels(
            platform.address,
            platform.catalog.entity.table,
            rows.key,
            None,
            rows.as_of,
            rows.known_at,
        )
    positive = former.filter(pl.col(rows.label))
    still = len(positive.join(people, on=rows.key, how="semi"))
    yield from panel.who_stayed(
        still, len(positive), before=when.as_of.date(), now=rows.as_of.date()
    )
