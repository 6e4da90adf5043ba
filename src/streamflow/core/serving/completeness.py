"""What is served where a value is absent, or where its row is too old.

The rules for one live row are here. The rules for a frame of rows are in `frame_completeness`.

A view is absent for a key when it has no row of the key. It is expired when its row is older than
the view's max_age. A value is absent in an absent view, or when it is null and its column is not
nullable. A value is expired in an expired view. For absent and expired values the policy of their
feature decides: the declared default is used, or the row is refused. A null of a nullable feature
is a value, if the row exists and is fresh. When no view has a fresh row, defaults are not used:
such an answer would say nothing about the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from streamflow.core.data.counts import count_of
from streamflow.errors import (
    EntityUnknown,
    FeaturesMissing,
    FeaturesStale,
    StreamflowError,
)

DAY_S = 86_400.0
Value = bool | int | float | str | None
# View -> as_of of the key's row. None: the view has no row of the key.
Instants = Mapping[str, datetime | None]


@dataclass(frozen=True, kw_only=True)
class FeaturePolicy:
    """What is served when a feature has no value, or one that is too old.

    Attributes:
        default: Used in place of the value. None: the row is refused.
    """

    name: str
    view: str
    nullable: bool
    default: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletedRow:
    """A row that can be predicted for.

    Attributes:
        values: In the order of the features.
        defaulted: The features whose default replaces a value, in their order.
        stale: Of these, the features whose value was too old. The rest of them had no value.
        as_of: The instant of the oldest row that was used.
        age: How long this was before the instant of the request.
    """

    values: tuple[Any, ...]
    defaulted: tuple[str, ...]
    stale: tuple[str, ...]
    as_of: datetime
    age: timedelta

    @property
    def age_days(self) -> float:
        """Return `age` in days of 24 hours, with the fraction."""
        return self.age.total_seconds() / DAY_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """Which features of a row are absent or expired, whatever the policy; in their order."""

    absent: tuple[str, ...]
    expired: tuple[str, ...]


class CompletenessPolicy:
    """The policies of all features of one service.

    What every row needs is computed once, in the constructor.
    """

    def __init__(
        self,
        features: Sequence[FeaturePolicy],
        max_age: Mapping[str, timedelta],
        *,
        key: str,
    ) -> None:
        self.features = tuple(features)
        self.key = key
        self.views = tuple(dict.fromkeys(feature.view for feature in self.features))
        self.max_age = {view: max_age[view] for view in self.views if view in max_age}
        self.names = tuple(feature.name for feature in self.features)
        self._limits = tuple(self.max_age.items())
        self._smallest_limit = min(self.max_age.values(), default=timedelta.max)
        self._never_null = tuple(
            number for number, feature in enumerate(self.features) if not feature.nullable
        )

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        """Return what the catalog declares: defaults by feature, and maximum ages by view."""
        defaults = {
            feature.name: feature.default
            for feature in self.features
            if feature.default is not None
        }
        max_age_days = {view: limit.days for view, limit in self.max_age.items()}
        return {"defaults": defaults, "max_age_days": max_age_days}

    def expired_views(self, as_of: Instants, now: datetime) -> frozenset[str]:
        """Return the views whose row is older than the catalog allows.

        An age of exactly max_age is allowed.
        """
        expired = set()
        for view, limit in self._limits:
            instant = as_of[view]
            if instant is not None and now - instant > limit:
                expired.add(view)
        return frozenset(expired)

    def complete_row(
        self,
        values: tuple[Any, ...],
        as_of: Instants,
        now: datetime,
        *,
        key: str | int,
    ) -> CompletedRow:
        """Complete the row of `key` at the instant `now`, as the catalog promises it.

        Raises:
            EntityUnknown: No view has a row of the key.
            FeaturesMissing: Features without a value are refused. It names them all, and the
                refused features that are too old.
            FeaturesStale: All features that are refused are too old. It names them all.
        """
        instants = as_of.values()
        has_every_view = None not in instants
        if has_every_view and (None not in values or self._nulls_are_values(values)):
            oldest: datetime = min(instants)  # type: ignore[type-var,assignment]  # none is None
            age = now - oldest
            if age <= self._smallest_limit or not self.expired_views(as_of, now):
                return CompletedRow(values=values, defaulted=(), stale=(), as_of=oldest, age=age)
        return self._fill_gaps(values, as_of, now, key)

    def gaps(self, values: tuple[Any, ...], as_of: Instants, now: datetime) -> Gaps:
        """Return which features of a row are absent or expired."""
        expired_views = self.expired_views(as_of, now)
        absent = []
        expired = []
        for feature, value in zip(self.features, values, strict=True):
            if feature.view in expired_views:
                expired.append(feature.name)
            elif _is_absent(feature, value, as_of):
                absent.append(feature.name)
        return Gaps(absent=tuple(absent), expired=tuple(expired))

    def explain_age_refusals(self, as_of: Instants, now: datetime) -> tuple[str, ...]:
        """Return why every key is refused while the live views are this old, as sentences.

        Returns:
            Empty where no key is refused for age alone.
        """
        expired_views = self.expired_views(as_of, now)
        present_views = [view for view, instant in as_of.items() if instant is not None]
        no_view_is_fresh = all(view in expired_views for view in present_views)
        names = [
            feature.name
            for feature in self.features
            if feature.view in expired_views and (feature.default is None or no_view_is_fresh)
        ]
        return tuple(self._age_sentences("the online store", names, as_of, now))

    def _nulls_are_values(self, values: tuple[Any, ...]) -> bool:
        return None not in map(values.__getitem__, self._never_null)

    def _fill_gaps(
        self,
        values: tuple[Any, ...],
        as_of: Instants,
        now: datetime,
        key: str | int,
    ) -> CompletedRow:
        """Complete a row that has gaps; most rows have none."""
        gaps = self.gaps(values, as_of, now)
        used_instants = self._fresh_instants(as_of, now)
        refused = {f.name for f in self.features if f.default is None or not used_instants}
        missing = [name for name in gaps.absent if name in refused]
        stale = [name for name in gaps.expired if name in refused]
        if missing or stale:
            raise self._refusal(key, missing, stale, as_of, now)
        defaulted = {*gaps.absent, *gaps.expired}
        completed_values = tuple(
            feature.default if feature.name in defaulted else value
            for feature, value in zip(self.features, values, strict=True)
        )
        oldest = min(used_instants)
        return CompletedRow(
            values=completed_values,
            defaulted=tuple(name for name in self.names if name in defaulted),
            stale=gaps.expired,
            as_of=oldest,
            age=now - oldest,
        )

    def _fresh_instants(self, as_of: Instants, now: datetime) -> list[datetime]:
        expired_views = self.expired_views(as_of, now)
        return [
            instant
            for view, instant in as_of.items()
            if instant is not None and view not in expired_views
        ]

    def _refusal(
        self,
        key: str | int,
        missing: list[str],
        stale: list[str],
        as_of: Instants,
        now: datetime,
    ) -> StreamflowError:
        owner = f"{self.key} {str(key)!r}"
        if not any(as_of.values()):
            return EntityUnknown(f"{owner} has no features", missing_features=list(self.names))
        sentences = []
        if missing:
            sentences.append(f"{owner} has no value for {', '.join(missing)}")
        sentences += self._age_sentences(owner, stale, as_of, now)
        message = "; ".join(sentences)
        if not missing:
            return FeaturesStale(message, stale_features=stale)
        facts: dict[str, Any] = {"stale_features": stale} if stale else {}
        return FeaturesMissing(message, missing_features=missing, **facts)

    def _age_sentences(
        self,
        owner: str,
        stale: list[str],
        as_of: Instants,
        now: datetime,
    ) -> Iterator[str]:
        """Give a sentence for each view: its refused features, their age, and the allowed age."""
        for view, limit in self._limits:
            names = [f.name for f in self.features if f.view == view and f.name in stale]
            instant = as_of[view]
            if names and instant is not None:
                days = (now - instant).total_seconds() / DAY_S
                limit_in_words = count_of(limit.days, "day")
                yield (
                    f"{owner} has only values from {days:.1f} days ago for {', '.join(names)};"
                    f" {view} allows {limit_in_words}"
                )


def _is_absent(feature: FeaturePolicy, value: Any, as_of: Instants) -> bool:
    return as_of[feature.view] is None or (value is None and not feature.nullable)
