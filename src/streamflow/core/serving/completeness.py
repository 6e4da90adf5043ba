"""What is served where a value is absent, or its row too old: the catalog's policy for one live row, and for a frame of them.

A view is absent for a key where it has no row, expired where its row is older than the view's max_age. A value is absent in an
absent view, or where it is null and its column is not nullable; it is expired in an expired view. Absent and expired values
follow the policy of their feature: its declared default, or the row is refused. A null of a nullable feature in a row that is
there and fresh is a value. Where no view is there and fresh, defaults do not help: such an answer would say nothing of the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from streamflow.catalog import Catalog, Feature
from streamflow.errors import EntityUnknown, FeaturesMissing, FeaturesStale, StreamflowError

DAY_S = 86_400.0
Value = bool | int | float | str | None
Instants = Mapping[str, datetime | None]  # view -> as_of of the key's row; None: it has none


@dataclass(frozen=True, kw_only=True)
class FeaturePolicy:
    """What is served where a feature has no value, or one that is too old; `default` None: the row is refused."""

    name: str
    view: str
    nullable: bool
    default: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A row that can be predicted for.

    values      in the order of the features
    defaulted   the features whose default stands in for a value, in their order
    stale       those of them whose value was too old; the others had none
    as_of       the instant of the oldest row that was used
    age         how long before the instant of the request that was
    """

    values: tuple[Any, ...]
    defaulted: tuple[str, ...]
    stale: tuple[str, ...]
    as_of: datetime
    age: timedelta

    @property
    def age_days(self) -> float:
        """`age` in days of 24 hours, with the fraction."""
        return self.age.total_seconds() / DAY_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """What of a row is not there, or too old, whatever the policy; features in their order."""

    absent: tuple[str, ...]
    expired: tuple[str, ...]


class Policy:
    """The policy of the features of one service, with all that a row is asked made ready beforehand."""

    def __init__(
        self, features: Sequence[FeaturePolicy], max_age: Mapping[str, timedelta], *, key: str
    ) -> None:
        self.features = tuple(features)
        self.key = key
        self.views = tuple(dict.fromkeys(f.view for f in self.features))
        self.max_age = {view: max_age[view] for view in self.views if view in max_age}
        self.names = tuple(f.name for f in self.features)
        self._limits = tuple(self.max_age.items())
        self._tightest = min(self.max_age.values(), default=timedelta.max)
        self._never_null = tuple(place for place, f in enumerate(self.features) if not f.nullable)

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        """What the catalog declares: the defaults by feature, and the days that a row may be old by view."""
        return {
            "defaults": {f.name: f.default for f in self.features if f.default is not None},
            "max_age_days": {view: limit.days for view, limit in self.max_age.items()},
        }

    def expired_views(self, as_of: Instants, now: datetime) -> frozenset[str]:
        """The views whose row is older than the catalog allows; an age of exactly max_age is allowed."""
        found = [
            view
            for view, limit in self._limits
            if (at := as_of[view]) is not None and now - at > limit
        ]
        return frozenset(found)

    def complete_row(
        self, values: tuple[Any, ...], as_of: Instants, now: datetime, *, key: str | int
    ) -> Completed:
        """The row of `key` as the catalog promises it, at the instant `now`.

        Raises EntityUnknown where no view has the key; FeaturesMissing, or FeaturesStale where all that is refused is too old,
        with every feature that is.
        """
        instants = as_of.values()
        if None not in instants and (None not in values or self._nulls_are_values(values)):
            oldest: datetime = min(instants)  # type: ignore[type-var,assignment]  # none of them is None
            age = now - oldest
            if age <= self._tightest or not self.expired_views(as_of, now):
                return Completed(values=values, defaulted=(), stale=(), as_of=oldest, age=age)
        return self._completed(values, as_of, now, key)

    def gaps(self, values: tuple[Any, ...], as_of: Instants, now: datetime) -> Gaps:
        """What of a row is absent or expired."""
        expired = self.expired_views(as_of, now)
        pairs = list(zip(self.features, values, strict=True))
        return Gaps(
            absent=tuple(
                f.name
                for f, value in pairs
                if f.view not in expired and _is_absent(f, value, as_of)
            ),
            expired=tuple(f.name for f in self.features if f.view in expired),
        )

    def too_old(self, as_of: Instants, now: datetime) -> tuple[str, ...]:
        """Why every key is refused while the live views are this old, in words; empty where none is for its age alone."""
        expired = self.expired_views(as_of, now)
        helpless = all(view in expired for view, at in as_of.items() if at is not None)
        names = [
            f.name for f in self.features if f.view in expired and (f.default is None or helpless)
        ]
        return tuple(self._too_old("the online store", names, as_of, now))

    def _nulls_are_values(self, values: tuple[Any, ...]) -> bool:
        return None not in map(values.__getitem__, self._never_null)

    def _completed(
        self, values: tuple[Any, ...], as_of: Instants, now: datetime, key: str | int
    ) -> Completed:
        """The uncommon case."""
        gaps, expired = self.gaps(values, as_of, now), self.expired_views(as_of, now)
        used = [at for view, at in as_of.items() if at is not None and view not in expired]
        refused = {f.name for f in self.features if f.default is None or not used}
        missing = [name for name in gaps.absent if name in refused]
        stale = [name for name in gaps.expired if name in refused]
        if missing or stale:
            raise self._refusal(key, missing, stale, as_of, now)
        defaulted = {*gaps.absent, *gaps.expired}
        oldest = min(used)
        return Completed(
            values=tuple(
                f.default if f.name in defaulted else value
                for f, value in zip(self.features, values, strict=True)
            ),
            defaulted=tuple(name for name in self.names if name in defaulted),
            stale=gaps.expired,
            as_of=oldest,
            age=now - oldest,
        )

    def _refusal(
        self, key: str | int, missing: list[str], stale: list[str], as_of: Instants, now: datetime
    ) -> StreamflowError:
        who = f"{self.key} {str(key)!r}"
        if not any(as_of.values()):
            return EntityUnknown(f"{who} has no features", missing_features=list(self.names))
        sentences = [f"{who} has no value for {', '.join(missing)}"] if missing else []
        sentences += self._too_old(who, stale, as_of, now)
        message = "; ".join(sentences)
        if not missing:
            return FeaturesStale(message, stale_features=stale)
        facts: dict[str, Any] = {"stale_features": stale} if stale else {}
        return FeaturesMissing(message, missing_features=missing, **facts)

    def _too_old(self, who: str, stale: list[str], as_of: Instants, now: datetime) -> Iterator[str]:
        """One clause per view: its features that are refused, their age, and how old they may be."""
        for view, limit in self._limits:
            names = [f.name for f in self.features if f.view == view and f.name in stale]
            at = as_of[view]
            if names and at is not None:
                days = (now - at).total_seconds() / DAY_S
                yield f"{who} has only values of {days:.1f} days ago for {', '.join(names)}; {view} allows {limit.days} days"


def _is_absent(feature: FeaturePolicy, value: Any, as_of: Instants) -> bool:
    return as_of[feature.view] is None or (value is None and not feature.nullable)


def policy_of(catalog: Catalog, refs: Sequence[str]) -> Policy:
    """The policy for the features of one service, `view:feature` each, in its order.

    A feature that the catalog no longer has is refused where it is absent, and of any age.

    >>> from streamflow.catalog import load_catalog
    >>> policy = policy_of(load_catalog(None), ["payments_agg_90d_fv:failed_payments_90d"])
    >>> at, now = datetime(2024, 1, 31), datetime(2024, 2, 1, 12)
    >>> policy.complete_row((2,), {"payments_agg_90d_fv": at}, now, key="7590-VHVEG").age_days
    1.5
    """
    views = dict.fromkeys(ref.split(":")[0] for ref in refs)
    limits = {view: catalog.max_age(view) for view in views if view in catalog.views}
    declared = {f.name: f for f in catalog.features}
    return Policy(
        [_policy_of_feature(ref, declared) for ref in refs],
        {view: limit for view, limit in limits.items() if limit is not None},
        key=catalog.entity.key,
    )


def _policy_of_feature(ref: str, declared: Mapping[str, Feature]) -> FeaturePolicy:
    view, name = ref.split(":")
    found = declared.get(name)
    return FeaturePolicy(
        name=name,
        view=view,
        nullable=found is not None and found.column.nullable,
        default=found.column.default if found is not None and found.ref == ref else None,
    )
