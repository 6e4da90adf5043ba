"""portfolio: expected churn and money of the newest scored drop by segment, and the trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streamflow.core.serving.risk import value_at_risk
from streamflow.core.serving.segments import (
    SegmentColumn,
    find_tenure_column,
    list_segment_columns,
)
from streamflow.errors import NothingScored
from streamflow.platform import Platform
from streamflow.steps.serving.trust import (
    Trust,
    drop_tenths,
    is_honest,
    make_trust,
    read_scored_drops,
)
from streamflow.warehouse.score_pages import ScoredDrop
from streamflow.warehouse.score_summaries import (
    SegmentRow,
    read_segment_shares,
    read_segments,
)


@dataclass(frozen=True, kw_only=True)
class Category:
    """One category of a segment column.

    value           None: the users without a value
    shares          the expected share in each drop of the trend; None: it had no such users
    expected        how many users are expected to leave
    expected_share  of the users that have a probability; None: no user has one
    """

    value: str | None
    users: int
    answered: int
    expected: float
    expected_share: float | None
    value_at_risk: float | None
    flagged: int
    shares: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The categories of one column, those with the most expected churn first.

    The bands of the tenure stand in their own order.
    """

    name: str
    label: str
    categories: tuple[Category, ...]


@dataclass(frozen=True, kw_only=True)
class TrendPoint:
    """One scored drop in the trend.

    expected_share  of the users that have a probability
    churned_share   of the users whose label came, those who left; None: no labels came
    labelled        how many users that are
    is_honest       whether the version was trained on earlier drops only
    """

    as_of: datetime
    version: int
    users: int
    expected: float | None
    expected_share: float | None
    label_as_of: datetime | None
    labelled: int
    churned_share: float | None
    is_honest: bool


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """The newest scored drop as a whole, by segment, and the scored drops before it.

    tenure  the column that says the tenure; None: the catalog declares none
    trend   the oldest drop first
    """

    trust: Trust
    kept_value: float | None
    expected: float
    expected_share: float | None
    value_at_risk: float | None
    flagged: int
    tenure: str | None
    segments: tuple[Segment, ...]
    trend: tuple[TrendPoint, ...]


def read_portfolio(platform: Platform) -> Portfolio:
    """Read the portfolio of the newest scored drop.

    Raises:
        NothingScored: no drop was scored yet, or the newest one was not added up.
    """
    drops = read_scored_drops(platform)
    newest = drops[0]
    if newest.expected is None:
        raise NothingScored(
            f"the scores of {newest.as_of:%Y-%m-%d} were not added up yet",
            remedy=f"Run 'streamflow score --as-of {newest.as_of:%Y-%m-%d}' again; nothing is"
            " scored twice.",
        )
    kept_value = platform.settings.kept_value
    rows = read_segments(platform.connection, newest.id)
    runs = [drop.id for drop in reversed(drops)]
    shares = read_segment_shares(platform.connection, runs)
    tenure = find_tenure_column(platform.catalog)
    return Portfolio(
        trust=make_trust(drops),
        kept_value=kept_value,
        expected=newest.expected,
        expected_share=_share(newest.expected, newest.rows - newest.missing),
        value_at_risk=value_at_risk(newest.expected, kept_value),
        flagged=newest.flagged,
        tenure=tenure.name if tenure else None,
        segments=_make_segments(platform, rows, runs, shares),
        trend=tuple(_make_point(drop) for drop in reversed(drops)),
    )


def _make_segments(
    platform: Platform,
    rows: Sequence[SegmentRow],
    runs: Sequence[int],
    shares: Mapping[tuple[int, str, str | None], float | None],
) -> tuple[Segment, ...]:
    """Divide the rows by column, in the order of the catalog.

    Args:
        platform: the open platform
        rows: the categories of the newest run
        runs: the runs of the trend, the oldest drop first
        shares: (run, column, category) -> expected share
    """
    kept_value = platform.settings.kept_value
    segments = []
    for column in list_segment_columns(platform.catalog):
        categories = []
        for row in _sort_rows(column, rows):
            if row.name == column.name:
                row_shares = tuple(shares.get((run, row.name, row.value)) for run in runs)
                categories.append(_make_category(row, kept_value, row_shares))
        if categories:
            segment = Segment(name=column.name, label=column.label, categories=tuple(categories))
            segments.append(segment)
    return tuple(segments)


def _sort_rows(column: SegmentColumn, rows: Sequence[SegmentRow]) -> Sequence[SegmentRow]:
    """Return the rows in the order of the bands of the tenure, those without a band last."""
    if column.tenure is None:
        return rows
    bands = column.values
    return sorted(
        rows, key=lambda row: bands.index(row.value) if row.value in bands else len(bands)
    )


def _make_category(
    row: SegmentRow,
    kept_value: float | None,
    shares: tuple[float | None, ...],
) -> Category:
    return Category(
        value=row.value,
        users=row.users,
        answered=row.answered,
        expected=row.expected,
        expected_share=_share(row.expected, row.answered),
        value_at_risk=value_at_risk(row.expected, kept_value),
        flagged=row.flagged,
        shares=shares,
    )


def _make_point(drop: ScoredDrop) -> TrendPoint:
    tenths = drop_tenths(drop)
    labelled = sum(tenth.users for tenth in tenths)
    churned = sum(tenth.churned for tenth in tenths)
    answered = drop.rows - drop.missing
    return TrendPoint(
        as_of=drop.as_of,
        version=drop.version,
        users=drop.rows,
        expected=drop.expected,
        expected_share=None if drop.expected is None else _share(drop.expected, answered),
        label_as_of=drop.label_as_of,
        labelled=labelled,
        churned_share=_share(churned, labelled),
        is_honest=is_honest(drop),
    )


def _share(amount: float, users: int) -> float | None:
    """Return the part of the users that an amount is; None where there are none."""
    return amount / users if users else None
