"""Compare the data that two versions read, separately for features and for labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from streamflow.catalog import Catalog
from streamflow.core.data.counts import count_of
from streamflow.core.data.difference import Difference
from streamflow.core.training.training_set import Source
from streamflow.core.versions.passport import Passport

Columns = Mapping[str, set[str]]  # table -> the columns that a version reads of it
Revisions = Mapping[datetime, Source]  # as_of -> the revision of one table


def feature_differences(
    a: Passport,
    b: Passport,
    catalogs: Sequence[Catalog],
) -> tuple[Difference, ...]:
    """List where the population and the features of two versions come from different data.

    Drops and revisions are compared, and of these only the columns that one of the catalogs reads.
    A revision with a different number and equal content in these columns is not a difference. Of
    versions of many months the newest months are compared with each other, then those before.
    """
    differences = _compare_counts(a, b)
    for distance, month_a, month_b in _pair_months(a, b):
        noun = _name_drop("the features", distance)
        differences += _feature_differences(noun, month_a, month_b, catalogs)
    return tuple(dict.fromkeys(differences))


def _feature_differences(
    noun: str,
    a: Passport,
    b: Passport,
    catalogs: Sequence[Catalog],
) -> list[Difference]:
    """List the differences of one month; `noun` names its drop."""
    differences = _compare_drops(noun, a.as_of, b.as_of)
    for table, columns in _feature_columns(catalogs).items():
        pairs = _pair_revisions(_revisions(a, table, a.as_of), _revisions(b, table, b.as_of))
        for revision_a, revision_b in pairs:
            differences += _compare_revisions(table, columns, revision_a, revision_b)
    return differences


def label_differences(
    a: Passport,
    b: Passport,
    catalogs: Sequence[Catalog],
) -> tuple[Difference, ...]:
    """List where the labels of two versions come from different data.

    This is a different drop that dates the labels, or a different revision of the same drop.
    """
    differences = _compare_counts(a, b)
    for distance, month_a, month_b in _pair_months(a, b):
        noun = _name_drop("the labels", distance)
        differences += _label_differences(noun, month_a, month_b, catalogs)
    return tuple(dict.fromkeys(differences))


def _compare_counts(a: Passport, b: Passport) -> list[Difference]:
    """Compare the numbers of months."""
    count_a, count_b = len(a.months), len(b.months)
    if count_a == count_b:
        return []
    return [Difference(what="number of months", recorded=str(count_a), now=str(count_b))]


def _pair_months(a: Passport, b: Passport) -> Iterator[tuple[int, Passport, Passport]]:
    """Pair the months of two versions from the newest back, with the distance to the newest."""
    pairs = zip(reversed(a.months), reversed(b.months), strict=False)
    for distance, (month_a, month_b) in enumerate(pairs):
        yield distance, month_a, month_b


def _name_drop(noun: str, distance: int) -> str:
    """Name the drop of a month by its distance to the newest month."""
    return f"{noun}, {count_of(distance, 'month')} before" if distance else noun


def _label_differences(
    noun: str,
    a: Passport,
    b: Passport,
    catalogs: Sequence[Catalog],
) -> list[Difference]:
    """List the differences of one month; `noun` names its drop."""
    differences: list[Difference] = []
    for table, columns in _label_columns(catalogs).items():
        differences += _compare_revisions(
            table,
            columns,
            _label_revision(a, table),
            _label_revision(b, table),
        )
    drops = _compare_drops(noun, a.label_as_of, b.label_as_of)
    if not drops:
        return differences
    note = "; ".join(difference.note for difference in differences) or "the same values"
    return [replace(drop, note=note) for drop in drops]


def missing_features(catalog: Catalog, recorded: Passport, data: Passport) -> list[str]:
    """List what `catalog` reads in the data of its own version and cannot read in different data.

    Args:
        catalog: the catalog of a version.
        recorded: the passport of this version.
        data: the passport of the version whose data are read instead.

    Returns:
        Names such as `table` or `table.column`.
    """
    missing: list[str] = []
    own_month = recorded.months[-1]
    for table, columns in _feature_columns([catalog]).items():
        own_revision = _newest_revision(own_month, table)
        for month in data.months:
            revision = _newest_revision(month, table)
            missing += _missing_columns(table, columns, own_revision, revision)
    return list(dict.fromkeys(missing))


def missing_labels(catalog: Catalog, recorded: Passport, data: Passport) -> list[str]:
    """List what `catalog` reads as the label in its own data and cannot read in different data."""
    table = catalog.label.table
    columns = _label_columns([catalog])[table]
    own_revision = _label_revision(recorded.months[-1], table)
    missing: list[str] = []
    for month in data.months:
        missing += _missing_columns(table, columns, own_revision, _label_revision(month, table))
    return list(dict.fromkeys(missing))


def _missing_columns(
    table: str,
    columns: set[str],
    recorded: Source | None,
    data: Source | None,
) -> list[str]:
    if recorded is None:
        return []
    if data is None:
        return [table]
    return [
        f"{table}.{name}"
        for name in sorted(columns)
        if name in recorded.columns and name not in data.columns
    ]


def _feature_columns(catalogs: Sequence[Catalog]) -> Columns:
    """Return the columns that the catalogs read for population and features."""
    columns: dict[str, set[str]] = {}
    for catalog in catalogs:
        columns.setdefault(catalog.entity.table, set()).add(catalog.entity.key)
        for feature in catalog.features:
            columns.setdefault(feature.table, set()).update((catalog.entity.key, feature.name))
    return columns


def _label_columns(catalogs: Sequence[Catalog]) -> Columns:
    """Return the columns that the catalogs read for the label."""
    columns: dict[str, set[str]] = {}
    for catalog in catalogs:
        label_columns = (catalog.entity.key, catalog.label.column)
        columns.setdefault(catalog.label.table, set()).update(label_columns)
    return columns


def _revisions(passport: Passport, table: str, last: datetime) -> Revisions:
    """Return the revisions of a table that a version read, up to the drop `last`."""
    return {
        source.as_of: source
        for source in passport.sources
        if source.table == table and source.as_of <= last
    }


def _label_revision(passport: Passport, table: str) -> Source | None:
    return _revisions(passport, table, passport.label_as_of).get(passport.label_as_of)


def _newest_revision(passport: Passport, table: str) -> Source | None:
    """Return the revision of the newest drop from which the features can be read."""
    revisions = _revisions(passport, table, passport.as_of)
    return revisions[max(revisions)] if revisions else None


def _pair_revisions(a: Revisions, b: Revisions) -> Iterator[tuple[Source | None, Source | None]]:
    """Pair the revisions of one table that two versions read.

    First come the newest revisions, even of different drops. Then come the older drops: a row that
    is missing in the newest drop can come from them. If the newest drops differ, only older drops
    that both versions read are paired: the version with the older drop naturally reads fewer drops,
    and the difference of the drops says this already.
    """
    newest_a = max(a, default=None)
    newest_b = max(b, default=None)
    yield a[newest_a] if newest_a else None, b[newest_b] if newest_b else None
    drops = a.keys() | b.keys() if newest_a == newest_b else a.keys() & b.keys()
    for as_of in sorted(drops - {newest_a, newest_b}, reverse=True):
        yield a.get(as_of), b.get(as_of)


def _compare_drops(noun: str, as_of_a: datetime, as_of_b: datetime) -> list[Difference]:
    if as_of_a == as_of_b:
        return []
    return [Difference(what=f"drop of {noun}", recorded=_day(as_of_a), now=_day(as_of_b))]


def _compare_revisions(
    table: str,
    columns: set[str],
    a: Source | None,
    b: Source | None,
) -> list[Difference]:
    """List how two revisions of a table differ in some columns: at most one difference."""
    if a is None and b is None:
        return []
    if a is None or b is None:
        return [Difference(what=table, recorded=_describe_revision(a), now=_describe_revision(b))]
    changed = [name for name in sorted(columns) if a.columns.get(name) != b.columns.get(name)]
    if not changed:
        return []
    note = f"different values in {', '.join(changed)}"
    if a.as_of == b.as_of:
        address = f"revision of {table} of {_day(a.as_of)}"
        return [Difference(what=address, recorded=str(a.revision), now=str(b.revision), note=note)]
    note = f"revision {a.revision} -> {b.revision}, {note}"
    return [Difference(what=table, recorded=_day(a.as_of), now=_day(b.as_of), note=note)]


def _describe_revision(source: Source | None) -> str | None:
    return None if source is None else f"{_day(source.as_of)} revision {source.revision}"


def _day(as_of: datetime) -> str:
    return f"{as_of:%Y-%m-%d}"
