"""The live row of one key: its values, their age, and what is absent or too old.

No value is refused, and no default is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamflow.core.serving.completeness import DAY_S, CompletenessPolicy
from streamflow.features.live_features import OnlineRow


@dataclass(frozen=True, kw_only=True)
class LiveView:
    """The row of one view: its instant, and its age in days of 24 hours.

    Both are None where the view has no row for the key.
    """

    as_of: datetime | None
    age_days: float | None
    max_age_days: int | None


@dataclass(frozen=True, kw_only=True)
class LiveRow:
    """The live values of one key. A prediction would apply the policy to absent and expired values.

    as_of     the instant of the oldest row
    absent    features without a value; a null of a nullable feature is a value
    expired   features whose row is older than its view allows
    """

    features: Mapping[str, Any]
    as_of: datetime
    views: Mapping[str, LiveView]
    absent: tuple[str, ...]
    expired: tuple[str, ...]

    @property
    def json_values(self) -> dict[str, Any]:
        """Return the row as JSON values, as the API shows it."""
        views = {
            name: {**vars(view), "as_of": view.as_of and view.as_of.isoformat()}
            for name, view in self.views.items()
        }
        return {**vars(self), "as_of": self.as_of.isoformat(), "views": views}


def live_row(policy: CompletenessPolicy, row: OnlineRow, now: datetime) -> LiveRow:
    """Return the live row of a key at the instant `now`."""
    gaps = policy.gaps(row.values, row.as_of, now)
    return LiveRow(
        features=dict(zip(policy.names, row.values, strict=True)),
        as_of=min(as_of for as_of in row.as_of.values() if as_of is not None),
        views={view: _live_view(policy, view, as_of, now) for view, as_of in row.as_of.items()},
        absent=gaps.absent,
        expired=gaps.expired,
    )


def _live_view(
    policy: CompletenessPolicy,
    view: str,
    as_of: datetime | None,
    now: datetime,
) -> LiveView:
    """Return the instant, the age and the age limit of one view's row."""
    max_age = policy.max_age.get(view)
    return LiveView(
        as_of=as_of,
        age_days=None if as_of is None else (now - as_of).total_seconds() / DAY_S,
        max_age_days=None if max_age is None else max_age.days,
    )
