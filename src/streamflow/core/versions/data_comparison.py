"""The data of two versions: what of all that either of them reads is not the same, features and labels apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from streamflow.catalog import Catalog
from streamflow.core.data.difference import Difference
from streamflow.core.training.training_set import Source
from streamflow.core.versions.passport import Passport

Columns = Mapping[str, set[str]]  # table -> the columns that are read of it


def feature_differences(
    a: Passport, b: Passport, catalogs: Sequence[Catalog]
) -> tuple[Difference, ...]:
    """Where population and features come from: drop, revisions, and of these the columns that one of the catalogs reads.

    A revision with another number and the same content in these columns is no difference.
    """
    found = _drops("the features", a.as_of, b.as_of)
    for table, columns in _feature_columns(catalogs).items():
        found += [
            d
            for was, now in _pairs(_by_drop(a, table), _by_drop(b, table))
            for d in _revisions(table, columns, was, now)
        ]
    return tuple(found)


def label_differences(
    a: Passport, b: Passport, catalogs: Sequence[Catalog]
) -> tuple[Difference, ...]:
    """Where the labels come from: the drop that dates them, or another revision of the same."""
    found = [
        difference
        for table, columns in _label_columns(catalogs).items()
        for difference in _revisions(
            table, columns, *(_by_drop(p, table, p.label_as_of).get(p.label_as_of) for p in (a, b))
        )
    ]
    drops = _drops("the labels", a.label_as_of, b.label_as_of)
    return tuple(
        replace(drop, note="; ".join(d.note for d in found) or "the same values") for drop in drops
    ) or tuple(found)


def lacking_features(catalog: Catalog, own: Passport, data: Passport) -> list[str]:
    """What `catalog` reads in the data of its own version, and cannot read in those of another: `table` or `table.column`."""
    needed = _feature_columns([catalog])
    return [
        what
        for table in needed
        for what in _lacking(table, needed[table], _newest(own, table), _newest(data, table))
    ]


def lacking_labels(catalog: Catalog, own: Passport, data: Passport) -> list[str]:
    """The same of the label."""
    table = catalog.label.table
    mine, theirs = (_by_drop(p, table, p.label_as_of).get(p.label_as_of) for p in (own, data))
    return _lacking(table, _label_columns([catalog])[table], mine, theirs)


def _lacking(table: str, columns: set[str], own: Source | None, data: Source | None) -> list[str]:
    if data is None:
        return [table] if own else []
    return [
        f"{table}.{name}"
        for name in sorted(columns)
        if own and name in own.columns and name not in data.columns
    ]


def _feature_columns(catalogs: Sequence[Catalog]) -> Columns:
    read: dict[str, set[str]] = {}
    for catalog in catalogs:
        read.setdefault(catalog.entity.table, set()).add(catalog.entity.key)
        for feature in catalog.features:
            read.setdefault(feature.table, set()).update((catalog.entity.key, feature.name))
    return read


def _label_columns(catalogs: Sequence[Catalog]) -> Columns:
    read: dict[str, set[str]] = {}
    for catalog in catalogs:
        read.setdefault(catalog.label.table, set()).update(
            (catalog.entity.key, catalog.label.column)
        )
    return read


def _by_drop(
    passport: Passport, table: str, last: datetime | None = None
) -> dict[datetime, Source]:
    """The revisions of a table that are not newer than `last`, by default what the features can be read from."""
    return {
        s.as_of: s
        for s in passport.sources
        if s.table == table and s.as_of <= (last or passport.as_of)
    }


def _newest(passport: Passport, table: str) -> Source | None:
    there = _by_drop(passport, table)
    return there[max(there)] if there else None


def _pairs(
    a: Mapping[datetime, Source], b: Mapping[datetime, Source]
) -> Iterator[tuple[Source | None, Source | None]]:
    """The newest of both sides, whatever its drop; then what is in reach of a row that the newest lacks.

    Of two different drops, the older one has less in reach by its nature: that is told by the drops.
    """
    newest = [max(side, default=None) for side in (a, b)]
    yield a.get(newest[0]) if newest[0] else None, b.get(newest[1]) if newest[1] else None
    older = a.keys() | b.keys() if newest[0] == newest[1] else a.keys() & b.keys()
    for as_of in sorted(older - set(newest), reverse=True):
        yield a.get(as_of), b.get(as_of)


def _drops(of: str, was: datetime, now: datetime) -> list[Difference]:
    return (
        []
        if was == now
        else [Difference(what=f"drop of {of}", recorded=f"{was:%Y-%m-%d}", now=f"{now:%Y-%m-%d}")]
    )


def _revisions(
    table: str, columns: set[str], was: Source | None, now: Source | None
) -> list[Difference]:
    """How two revisions of a table differ in some columns: at most one difference."""
    if was is None or now is None:
        return [Difference(what=table, recorded=_place(was), now=_place(now))] if was or now else []
    changed = [name for name in sorted(columns) if was.columns.get(name) != now.columns.get(name)]
    if not changed:
        return []
    note = f"other values in {', '.join(changed)}"
    if was.as_of == now.as_of:
        what = f"revision of {table} of {was.as_of:%Y-%m-%d}"
        return [Difference(what=what, recorded=str(was.revision), now=str(now.revision), note=note)]
    days = [f"{s.as_of:%Y-%m-%d}" for s in (was, now)]
    return [
        Difference(
            what=table,
            recorded=days[0],
            now=days[1],
            note=f"revision {was.revision} -> {now.revision}, {note}",
        )
    ]


def _place(source: Source | None) -> str | None:
    return None if source is None else f"{source.as_of:%Y-%m-%d} revision {source.revision}"
