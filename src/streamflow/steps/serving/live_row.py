"""The live row of one key as it is: values, their age, and what is absent or too old. Nothing is refused, nothing put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamflow.core.serving.completeness import DAY_S, Policy
from streamflow.features.live_features import OnlineRow


@dataclass(frozen=True, kw_only=True)
class LiveView:
    """One view's row: its instant, and how long ago that was in days of 24 hours; both None where the key has no row."""

    as_of: datetime | None
    age_days: float | None
    max_age_days: int | None


@dataclass(frozen=True, kw_only=True)
class LiveRow:
    """What is live for one key; a prediction would follow the policy of what is absent or expired.

    as_of     the instant of the oldest row
    absent    features that have no value; a null of a nullable feature is one
    expired   features whose row is older than its view allows
    """

    features: Mapping[str, Any]
    as_of: datetime
    views: Mapping[str, LiveView]
    absent: tuple[str, ...]
    expired: tuple[str, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """Plain values, as the API shows them."""
        views = {
            name: {**vars(view), "as_of": view.as_of and view.as_of.isoformat()}
            for name, view in self.views.items()
        }
        return {**vars(self), "as_of": self.as_of.isoformat(), "views": views}


def live_row(policy: Policy, row: OnlineRow, now: datetime) -> LiveRow:
    """The row at the instant `now`."""
    gaps = policy.gaps(row.values, row.as_of, now)
    return LiveRow(
        features=dict(zip(policy.names, row.values, strict=True)),
        as_of=min(at for at in row.as_of.values() if at is not None),
        views={view: _view(policy, view, at, now) for view, at in row.as_of.items()},
        absent=gaps.absent,
        expired=gaps.expired,
    )


def _view(policy: Policy, view: str, at: datetime | None, now: datetime) -> LiveView:
    limit = policy.max_age.get(view)
    return LiveView(
        as_of=at,
        age_days=None if at is None else (now - at).total_seconds() / DAY_S,
        max_age_days=None if limit is None else limit.days,
    )
