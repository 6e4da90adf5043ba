"""at-risk: list the users of the newest scored drop, the highest value at risk first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from streamflow.core.serving.risk import (
    MOVED,
    Move,
    classify_move,
    subtract_earlier,
    value_at_risk,
)
from streamflow.core.serving.segments import SegmentColumn, list_segment_columns
from streamflow.errors import FilterInvalid, NothingScored
from streamflow.platform import Platform
from streamflow.steps.serving.trust import Trust, make_trust, read_scored_drops
from streamflow.warehouse import frozen, lake_revisions
from streamflow.warehouse.score_pages import (
    FIRST_POSITION,
    MAX_SEARCHED,
    ListQuery,
    ScoredDrop,
    read_last_searched,
    read_list,
)
from streamflow.warehouse.segment_values import name_segment

PAGE_USERS = 50
MAX_PAGE_USERS = 1000
NO_VALUE = ""  # the category of the users that have no value
MOVES: Mapping[str, tuple[float | None, float | None]] = {
    "": (None, None),
    "up": (MOVED, None),
    "down": (None, -MOVED),
}


@dataclass(frozen=True, kw_only=True)
class Position:
    """A place in the list: it goes on after the user with this probability and key."""

    probability: float
    key: str


@dataclass(frozen=True, kw_only=True)
class RiskFilter:
    """Which users the list shows.

    segments  segment column -> its category; NO_VALUE: the users without a value
    moved     only the users whose probability moved up, or down
    position  the list begins there; None: with the first user
    """

    segments: Mapping[str, str] = field(default_factory=dict)
    moved: Literal["", "up", "down"] = ""
    position: Position | None = None
    limit: int = PAGE_USERS


@dataclass(frozen=True, kw_only=True)
class StoredReason:
    """One reason of an answer, as `score --explain` stored it."""

    feature: str
    label: str
    value: bool | int | float | str | None
    contribution: float


@dataclass(frozen=True, kw_only=True)
class UserAtRisk:
    """One user of the list.

    value_at_risk  probability × the setting kept_value; None where no money is set
    earlier        the probability of the scored drop before; None: the user was not in it
    change         the probability minus `earlier`
    reasons        empty where the drop was scored without --explain
    defaulted      the features for which a default stands
    """

    key: str
    probability: float
    value_at_risk: float | None
    flagged: bool
    earlier: float | None
    change: float | None
    move: Move
    reasons: tuple[StoredReason, ...]
    segments: Mapping[str, str | None]
    defaulted: str | None
    features_as_of: datetime | None


@dataclass(frozen=True, kw_only=True)
class RiskList:
    """A part of the list.

    compared_as_of    the scored drop before, and the version that scored it
    explained         whether the drop was scored with reasons
    next              where the next part begins; None: this is the last part
    is_search_ended   False: the search for users that fit stopped early, at `next`
    """

    trust: Trust
    compared_as_of: datetime | None
    compared_version: int | None
    explained: bool
    kept_value: float | None
    filter: RiskFilter
    users: tuple[UserAtRisk, ...]
    next: Position | None
    is_search_ended: bool


def list_at_risk(
    platform: Platform,
    chosen: RiskFilter,
    *,
    max_searched: int = MAX_SEARCHED,
) -> RiskList:
    """List users of the newest scored drop that fit the filter, the highest probability first.

    No call reads more than some thousand users: a filter that few users fit gives a part of the
    list, and the position where the search goes on.

    Args:
        max_searched: how many users a filtered list reads at most

    Raises:
        NothingScored: no drop was scored yet.
        FilterInvalid: the filter names a column or a category that does not exist.
    """
    columns = list_segment_columns(platform.catalog)
    _check_filter(columns, chosen)
    drops = read_scored_drops(platform)
    query = replace(_make_query(platform, columns, drops, chosen), max_searched=max_searched)
    _require_loaded_segments(platform, drops[0], query.segments)
    rows = read_list(platform.connection, query)
    users = [make_user(platform, row, columns) for row in rows[: chosen.limit]]
    if len(rows) > chosen.limit:
        end: Position | None = Position(probability=users[-1].probability, key=users[-1].key)
        is_search_ended = True
    else:
        end = _find_unsearched(platform, query)
        is_search_ended = end is None
    earlier = drops[1] if len(drops) > 1 else None
    return RiskList(
        trust=make_trust(drops),
        compared_as_of=earlier.as_of if earlier else None,
        compared_version=earlier.version if earlier else None,
        explained=drops[0].explained,
        kept_value=platform.settings.kept_value,
        filter=chosen,
        users=tuple(users),
        next=end,
        is_search_ended=is_search_ended,
    )


def _require_loaded_segments(
    platform: Platform,
    drop: ScoredDrop,
    tables: Iterable[str],
) -> None:
    """Raise NothingScored when the segments of the users lie in the lake only."""
    if not drop.is_in_lake:
        return
    unloaded = lake_revisions.unloaded_revisions(platform.connection)
    newest = frozen.revisions(
        platform.connection, known_at=drop.known_at, first=drop.as_of, last=drop.as_of
    )
    read_revisions = {revision.revision_key for revision in newest if revision.table in tables}
    if read_revisions & unloaded.keys():
        raise NothingScored(
            f"the newest scored drop is that of {drop.as_of:%Y-%m-%d}, and its rows lie in the lake"
            " only: a list can only show the newest frozen drop",
            remedy="Score the newest drop.",
        )


def _check_filter(columns: Sequence[SegmentColumn], chosen: RiskFilter) -> None:
    values = {column.name: column.values for column in columns}
    for name, value in chosen.segments.items():
        if name not in values:
            listed = ", ".join(values) or "none"
            raise FilterInvalid(f"there is no segment column of this name; there are: {listed}")
        if value not in (NO_VALUE, *values[name]):
            listed = ", ".join(values[name])
            raise FilterInvalid(f"{name} has no such category; it has: {listed}")
    if chosen.moved not in MOVES:
        raise FilterInvalid("moved is 'up' or 'down'")
    if not 1 <= chosen.limit <= MAX_PAGE_USERS:
        raise FilterInvalid(f"a list has 1 to {MAX_PAGE_USERS} users")


def _make_query(
    platform: Platform,
    columns: Sequence[SegmentColumn],
    drops: Sequence[ScoredDrop],
    chosen: RiskFilter,
) -> ListQuery:
    entity = platform.catalog.entity
    by_table = sorted(columns, key=lambda column: column.table)
    grouped = groupby(by_table, key=lambda column: column.table)
    least_change, most_change = MOVES[chosen.moved]
    start = chosen.position
    return ListQuery(
        run=drops[0],
        earlier_run=drops[1].id if len(drops) > 1 else None,
        key=entity.key,
        key_type=entity.type,
        position=(start.probability, start.key) if start else FIRST_POSITION,
        segments={table: list(group) for table, group in grouped},
        chosen={name: value or None for name, value in chosen.segments.items()},
        least_change=least_change,
        most_change=most_change,
        limit=chosen.limit + 1,
    )


def _find_unsearched(platform: Platform, query: ListQuery) -> Position | None:
    """Return where a search for users that fit stopped early; None: all users were searched."""
    if not query.is_filtered:
        return None
    last = read_last_searched(platform.connection, query)
    if last is None:
        return None
    following = read_last_searched(platform.connection, replace(query, position=last))
    return None if following is None else Position(probability=last[0], key=last[1])


def make_user(
    platform: Platform,
    row: Mapping[str, Any],
    columns: Sequence[SegmentColumn],
) -> UserAtRisk:
    """Make a user of the list from its row."""
    probability = row["probability"]
    earlier = row["earlier"]
    return UserAtRisk(
        key=row["key"],
        probability=probability,
        value_at_risk=value_at_risk(probability, platform.settings.kept_value),
        flagged=row["prediction"] == 1,
        earlier=earlier,
        change=subtract_earlier(probability, earlier),
        move=classify_move(probability, earlier),
        reasons=parse_reasons(row["reasons"]),
        segments={column.name: row[name_segment(column.name)] for column in columns},
        defaulted=row["defaulted"],
        features_as_of=row["features_as_of"],
    )


def parse_reasons(text: str | None) -> tuple[StoredReason, ...]:
    """Read the reasons that `score --explain` stored; none for None."""
    if text is None:
        return ()
    return tuple(
        StoredReason(
            feature=reason["feature"],
            label=reason["words"],
            value=reason["value"],
            contribution=reason["contribution"],
        )
        for reason in json.loads(text)
    )
