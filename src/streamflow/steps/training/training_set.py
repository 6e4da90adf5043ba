"""training-set: features as of D and labels of the drop that dates them, both as known at K."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.instants import instant
from streamflow.core.training.training_set import (
    Source,
    TrainingSet,
    label_as_of,
    revision_in_words,
)
from streamflow.errors import LabelsMissing, SnapshotMissing, TrainingImpossible
from streamflow.platform import Platform
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision


def training_set(
    platform: Platform, as_of: date, *, label_lead: int = 0, known_at: datetime | None = None
) -> TrainingSet:
    """Assemble the training set of the drop of `as_of`; nothing is written.

    The rows are the keys of that drop which the label drop knows. Raises SnapshotMissing when `as_of` is not frozen,
    LabelsMissing when the label drop is not there or has no labels: never other labels instead.
    """
    catalog, at = platform.catalog, instant(as_of)
    k = known_at or frozen.known_now(platform.connection)
    newest = frozen.revisions(platform.connection, known_at=k)
    drops = sorted({r.as_of for r in newest if r.table == catalog.entity.table})
    if at not in drops:
        known = ", ".join(f"{d:%Y-%m-%d}" for d in drops) or "none"
        raise SnapshotMissing(
            f"no snapshot of {as_of} was known at {k.isoformat()}; frozen are: {known}"
        )
    label_at = _label_drop(platform, at, label_lead, drops, newest)
    _refuse_pruned(
        revisions_read(catalog, frozen.pruned(platform.connection, newest, k), at, label_at), k
    )
    key, label = catalog.entity.key, catalog.label.column
    population = frozen.keys_and_labels(platform.address, catalog.entity.table, key, None, at, k)
    labels = frozen.keys_and_labels(platform.address, catalog.label.table, key, label, label_at, k)
    read = frozen.sources(platform.connection, revisions_read(catalog, newest, at, label_at))
    when = Drops(as_of=at, label_as_of=label_at, label_lead=label_lead, known_at=k)
    return assembled(
        catalog, when, read, population, labels, lambda keys: features_at(platform, keys, at, k)
    )


def _refuse_pruned(pruned: list[Revision], k: datetime) -> None:
    if pruned:
        words = [revision_in_words(r.table, r.as_of, r.revision) for r in pruned]
        raise SnapshotMissing(
            "\n".join(
                f"{w}, the newest that was known at {k.isoformat()}, was pruned" for w in words
            ),
            remedy="Ask for what is known now, or at an earlier instant.",
        )


@dataclass(frozen=True, kw_only=True)
class Drops:
    """Which drops are asked for, as known when."""

    as_of: datetime
    label_as_of: datetime
    label_lead: int
    known_at: datetime


def assembled(
    catalog: Catalog,
    when: Drops,
    sources: tuple[Source, ...],
    population: pl.DataFrame,
    labels: pl.DataFrame,
    features_of: Callable[[pl.DataFrame], pl.DataFrame],
) -> TrainingSet:
    """Put a training set together: the keys of the population that have a label, in their order.

    population (n, 1), labels (m, 2); `features_of` gives the features of the keys that it is called with, in their order.
    """
    key, label, as_of = catalog.entity.key, catalog.label.column, when.as_of.date()
    rows = population.join(labels, on=key, how="inner").sort(key)
    if rows.is_empty():
        raise TrainingImpossible(
            f"no key of the drop of {as_of} has a label in that of {when.label_as_of:%Y-%m-%d}"
        )
    features = features_of(rows.select(key)).select(f.name for f in catalog.features)
    _require_complete(catalog, features, as_of)
    return TrainingSet(
        frame=pl.concat([rows.select(key), features, rows.select(label)], how="horizontal"),
        key=key,
        features=tuple(f.name for f in catalog.features),
        label=label,
        types={
            key: catalog.entity.type,
            **{f.name: f.column.type for f in catalog.features},
            label: "bool",
        },
        as_of=when.as_of,
        label_as_of=when.label_as_of,
        label_lead=when.label_lead,
        known_at=when.known_at,
        sources=sources,
        without_label=len(population) - len(rows),
    )


def _label_drop(
    platform: Platform, at: datetime, lead: int, drops: list[datetime], newest: list[Revision]
) -> datetime:
    label_at, table = label_as_of(at, lead, drops), platform.catalog.label.table
    if label_at is None:
        raise LabelsMissing(
            f"the labels of {at:%Y-%m-%d} with --label-lead {lead} are in the drop number {lead} after it,"
            f" and only {sum(d > at for d in drops)} are frozen"
        )
    if not any(r.table == table and r.as_of == label_at for r in newest):
        raise LabelsMissing(
            f"the drop of {label_at:%Y-%m-%d} has no {platform.catalog.file(table)}"
        )
    return label_at


def features_at(platform: Platform, keys: pl.DataFrame, at: datetime, k: datetime) -> pl.DataFrame:
    """The features of each key, in the order of `keys`, through Feast's offline store."""
    stamp = pl.Datetime("us", "UTC")
    entities = keys.with_columns(
        event_timestamp=pl.lit(at).cast(stamp), known_at=pl.lit(k).cast(stamp)
    )
    return pl.DataFrame(platform.features.history(entities, platform.catalog.service))


def _require_complete(catalog: Catalog, features: pl.DataFrame, as_of: date) -> None:
    """A null in a feature that promises none is no value to learn from."""
    lines = [
        f"feature '{f.name}' is not nullable, and {count:,} of {len(features):,} rows have no value as of {as_of}"
        for f in catalog.features
        if not f.column.nullable and (count := features[f.name].null_count())
    ]
    if lines:
        raise TrainingImpossible(
            "\n".join(lines),
            violations=lines,
            remedy=f"If the catalog has gained the column since, run 'streamflow snapshot --as-of {as_of}'; else deliver the drop"
            " anew, or say nullable = true.",
        )


def revisions_read(
    catalog: Catalog, newest: list[Revision], at: datetime, label_at: datetime | None
) -> list[Revision]:
    """Every revision that a row of the set can have come from; without `label_at` no labels."""
    ttl = {
        v.table: max(catalog.ttl(n) for n, w in catalog.views.items() if w.table == v.table)
        for v in catalog.views.values()
    }
    return [
        r
        for r in newest
        if (r.table in ttl and at - ttl[r.table] <= r.as_of <= at)
        or (r.table == catalog.entity.table and r.as_of == at)
        or (r.table == catalog.label.table and r.as_of == label_at)
    ]


@dataclass(frozen=True, kw_only=True)
class TrainingSetReceipt:
    """What the set is, without its rows."""

    as_of: date
    label_as_of: date
    known_at: datetime
    rows: int
    without_label: int
    positive_share: float
    features: tuple[str, ...]
    digest: str
    sources: tuple[Source, ...]
    out: Path | None


def receipt_of(rows: TrainingSet, out: Path | None = None) -> TrainingSetReceipt:
    """Describe a training set; `out` is the file that its rows were written to."""
    return TrainingSetReceipt(
        as_of=rows.as_of.date(),
        label_as_of=rows.label_as_of.date(),
        known_at=rows.known_at,
        rows=len(rows.frame),
        without_label=rows.without_label,
        positive_share=float(rows.labels.mean()),
        features=rows.features,
        digest=rows.digest,
        sources=rows.sources,
        out=out,
    )
