"""A version as it was recorded: its passport, checked against tag and row, and its training set made again from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import sha256

import polars as pl
from pydantic import ValidationError

from streamflow.catalog import Catalog
from streamflow.core.data.catalog_definitions import catalog_of
from streamflow.core.training.training_set import Source, TrainingSet
from streamflow.core.versions.passport import Passport, parse_passport, training_set_result
from streamflow.errors import ArtifactUntrusted, NotRebuildable
from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.training.training_set import Drops, assembled
from streamflow.warehouse import frozen, ledger
from streamflow.warehouse.frozen import Revision

FILE = "passport.json"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A version with the passport that it was registered with.

    tampered   what of the record itself is no longer what was registered, in words
    """

    version: ModelVersion
    passport: Passport
    passport_digest: str
    tampered: tuple[str, ...] = ()


def find_version(platform: Platform, which: str) -> ModelVersion:
    """The version by its number, or by the id of the run that made it. Raises VersionMissing."""
    return (
        platform.models.version(int(which)) if which.isdecimal() else platform.models.by_run(which)
    )


def recorded(platform: Platform, which: str) -> Recorded:
    """Find a version and read its passport, which must be the one that was registered: our own row says so.

    Raises VersionMissing, and NotRebuildable when the passport is lost or changed.
    """
    version = find_version(platform, which)
    name = f"version {version.version} of {platform.catalog.model}"
    digest = ledger.passport_digest(platform.connection, version.run_id)
    if digest is None:
        raise _not_rebuildable(
            f"{name}: no passport of its run {version.run_id} was recorded here: streamflow did not train it"
        )
    try:
        text = platform.models.run_file(version.run_id, FILE)
    except ArtifactUntrusted as exc:
        raise _not_rebuildable(f"{name}: its passport is lost: {exc.message}") from exc
    found = sha256(text).hexdigest()
    if found != digest:
        raise _not_rebuildable(
            f"{name}: its {FILE} was changed: it has the digest {found}, registered was {digest}"
        )
    try:
        passport = parse_passport(text)
    except ValueError as exc:
        raise _not_rebuildable(f"{name}: its {FILE} cannot be read: {exc}") from exc
    return Recorded(
        version=version,
        passport=passport,
        passport_digest=digest,
        tampered=tuple(_changed_tags(version, passport, digest)),
    )


def _not_rebuildable(*missing: str) -> NotRebuildable:
    return NotRebuildable("\n".join(missing), missing=list(missing))


def _changed_tags(version: ModelVersion, passport: Passport, digest: str) -> list[str]:
    """The tags that say something else than what was registered."""
    return [
        f"the tag {name} of version {version.version} was changed: it says {tag}, registered was {value}"
        for name, value in tags_of(passport, digest).items()
        if (tag := version.tags.get(name, "nothing")) != value
    ]


def tags_of(passport: Passport, digest: str) -> dict[str, str]:
    """The tags that a version with this passport has."""
    model = passport.result["model"]
    return {
        "passport_digest": digest,
        "model_digest": model["file"],
        "content_digest": model["content"],
        "decision_digest": passport.result["decision"]["digest"],
        "threshold": repr(passport.result["decision"]["threshold"]),
        "feature_service": passport.features["service"],
        "as_of": f"{passport.as_of:%Y-%m-%d}",
    }


def with_catalog(platform: Platform, passport: Passport) -> Platform:
    """The platform with the catalog of a passport: enough to read its rows. Raises NotRebuildable if this code refuses it."""
    try:
        return replace(platform, catalog=catalog_of(passport.features["catalog"]))
    except (ValidationError, KeyError) as exc:
        raise NotRebuildable(
            f"this code does not take the recorded catalog: {exc}",
            remedy="Install the streamflow that trained the version.",
            missing=["code"],
        ) from exc


def as_recorded(platform: Platform, passport: Passport) -> Platform:
    """The platform with catalog and semantic settings of a passport. Raises NotRebuildable if this code refuses them."""
    try:
        return replace(
            with_catalog(platform, passport),
            settings=platform.settings.with_values(passport.settings),
        )
    except ValidationError as exc:
        raise NotRebuildable(
            f"this code does not take the recorded settings: {exc}",
            remedy="Run 'streamflow reproduce VERSION --code recorded'.",
            missing=["code"],
        ) from exc


Read = Callable[
    [str, list[str], list[tuple[datetime, int]]], pl.DataFrame
]  # (table, columns, revisions) -> as_of and columns


def rebuilt_set(
    platform: Platform, of: Passport, *, labels_of: Passport | None = None, read: Read | None = None
) -> TrainingSet:
    """The training set of `of` from the revisions that it names, labels from those of `labels_of`; `platform` is as recorded.

    The revisions are read by name: neither K nor what else is frozen by now plays a part, and Feast's registry neither.
    `read` gives their rows where they have been read already. Raises NotRebuildable when one of them is gone.
    """
    labels_of = labels_of or of
    catalog = platform.catalog
    k = max(of.known_at, labels_of.known_at)
    when = Drops(
        as_of=of.as_of,
        label_as_of=labels_of.label_as_of,
        label_lead=labels_of.label_lead,
        known_at=k,
    )
    return set_of(
        platform, when, _of_features(catalog, of), _of_labels(catalog, labels_of), read=read
    )


def set_of(
    platform: Platform,
    when: Drops,
    features: tuple[Source, ...],
    labels: tuple[Source, ...],
    *,
    read: Read | None = None,
) -> TrainingSet:
    """A training set from revisions by name, with the definitions of `platform`. Raises NotRebuildable when one is gone."""
    read = read or partial(frozen.rows_of, platform.address)
    catalog = platform.catalog
    require_frozen(platform, (*features, *labels))
    population, known = _keys(catalog, when.as_of, features, read), _labels(catalog, labels, read)
    sources = (*features, *(s for s in labels if s not in features))
    return assembled(
        catalog,
        when,
        sources,
        population,
        known,
        lambda keys: joined_features(catalog, read, keys, when.as_of, features),
    )


def labelled_keys(platform: Platform, of: Passport) -> pl.Series:
    """The keys of a recorded training set, in their order, without its features. Raises NotRebuildable when rows are gone."""
    catalog, read = platform.catalog, partial(frozen.rows_of, platform.address)
    features, labels = _of_features(catalog, of), _of_labels(catalog, of)
    require_frozen(platform, (*features, *labels))
    key = catalog.entity.key
    return (
        _keys(catalog, of.as_of, features, read)
        .join(_labels(catalog, labels, read), on=key, how="semi")
        .sort(key)[key]
    )


def _keys(catalog: Catalog, as_of: datetime, sources: Iterable[Source], read: Read) -> pl.DataFrame:
    """The population: the keys of the drop of `as_of`. (n, 1)"""
    return _rows(
        read, catalog.entity.table, [catalog.entity.key], [s for s in sources if s.as_of == as_of]
    ).drop("as_of")


def _labels(catalog: Catalog, sources: Iterable[Source], read: Read) -> pl.DataFrame:
    """Key and label. (n, 2)"""
    return _rows(
        read, catalog.label.table, [catalog.entity.key, catalog.label.column], sources
    ).drop("as_of")


def set_differences(passport: Passport, rows: TrainingSet) -> tuple[str, ...]:
    """In what a training set that was made again is not the recorded one; nothing when its digest is the same."""
    before, now = passport.result["training_set"], training_set_result(rows)
    if before["digest"] == now["digest"]:
        return ()
    count = (
        [f"it has {now['rows']:,} rows, recorded are {before['rows']:,}"]
        if before["rows"] != now["rows"]
        else []
    )
    columns = [
        name for name, digest in now["columns"].items() if before["columns"].get(name) != digest
    ]
    found = [
        *count,
        *(f"the values of {name} are not those that were recorded" for name in columns),
    ]
    return tuple(found) or (
        f"its keys are not those that were recorded: digest {now['digest']}, recorded {before['digest']}",
    )


def require_frozen(
    platform: Platform, sources: tuple[Source, ...]
) -> dict[tuple[str, datetime, int], Revision]:
    """Each source's place -> its revision as it is recorded now. Raises NotRebuildable unless all are still there."""
    there = {(r.table, r.as_of, r.revision): r for r in frozen.all_revisions(platform.connection)}
    gone = [f"data: {source} is not frozen here" for source in sources if source.place not in there]
    if gone:
        raise _not_rebuildable(*gone)
    return {source.place: there[source.place] for source in sources}


def _of_labels(catalog: Catalog, passport: Passport) -> tuple[Source, ...]:
    return tuple(
        s
        for s in passport.sources
        if s.table == catalog.label.table and s.as_of == passport.label_as_of
    )


def _of_features(catalog: Catalog, passport: Passport) -> tuple[Source, ...]:
    read = {catalog.entity.table, *(view.table for view in catalog.views.values())}
    return tuple(s for s in passport.sources if s.table in read)


def _rows(read: Read, table: str, columns: list[str], sources: Iterable[Source]) -> pl.DataFrame:
    return read(table, columns, [(s.as_of, s.revision) for s in sources if s.table == table])


def joined_features(
    catalog: Catalog, read: Read, keys: pl.DataFrame, at: datetime, sources: tuple[Source, ...]
) -> pl.DataFrame:
    """The features of each key by the same point-in-time join that Feast's offline store makes."""
    key = catalog.entity.key
    asked = keys.with_columns(pl.lit(at).cast(pl.Datetime("us", "UTC")).alias(INSTANT))
    joined = []
    for view, spec in catalog.views.items():
        names = [f.name for f in catalog.features_of(view)]
        history = _rows(read, spec.table, [key, *names], sources).rename({"as_of": AS_OF})
        history = history.filter(pl.col(AS_OF).is_between(at - catalog.ttl(view), at))
        joined.append(point_in_time_join(asked, history, keys=[key], ttl=catalog.ttl(view)))
    return pl.concat(joined, how="horizontal")
