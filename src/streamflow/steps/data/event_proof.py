"""Compute the aggregates of a drop with a second engine, and compare them with PostgreSQL's.

An aggregate that used an event after the as_of of its drop would be a model that knows the future.
So PostgreSQL's aggregates are frozen only if polars and Python find the same, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from streamflow.core.data.contract import polars_type
from streamflow.core.data.digest import TableDigest, digest_frame
from streamflow.core.data.event_aggregates import EVENT_TIME, aggregate_events, no_events
from streamflow.errors import TemporalViolation
from streamflow.platform import Platform
from streamflow.warehouse import drops
from streamflow.warehouse.aggregates import EventDrop
from streamflow.warehouse.event_values import read_event_values


@dataclass(frozen=True, kw_only=True)
class EventProof:
    """Which events the aggregates of a drop were computed from.

    events       how many events are at or before the as_of of the drop
    newest       the time of the newest of them; None without events
    late_events  how many events are after the as_of; no aggregate used them
    """

    events: int
    newest: datetime | None
    late_events: int


def prove_aggregates(platform: Platform, drop: EventDrop, digest: TableDigest) -> EventProof:
    """Compute the aggregates again, and compare their digest with that of PostgreSQL's.

    Args:
        platform: the open platform.
        drop: the events.
        digest: of the aggregates that PostgreSQL computed.

    Raises:
        TemporalViolation: they differ.
    """
    entity_table = platform.catalog.entity.table
    key = drop.key
    as_of = drop.as_of
    key_frame = drops.raw_keys(platform.address, entity_table, key, as_of)
    keys = key_frame[key]
    aggregates = drop.events.aggregates
    frames = []
    times = [pl.Series(EVENT_TIME, [], polars_type("timestamp"))]
    for values in read_event_values(platform.address, drop):
        keys_with_events = values[key].implode()
        has_events = keys.is_in(keys_with_events)
        batch_keys = keys.filter(has_events)
        frames.append(aggregate_events(values, batch_keys, as_of, aggregates))
        times.append(values[EVENT_TIME])
        keys = keys.filter(~has_events)
    nothing = no_events(keys, aggregates)
    frames.append(aggregate_events(nothing, keys, as_of, aggregates))
    types = {column.name: column.type for column in digest.columns}
    proven = digest_frame(pl.concat(frames), key=key, types=types)
    _require_same(drop, digest, proven)
    return _describe_times(pl.concat(times), as_of)


def _require_same(drop: EventDrop, digest: TableDigest, proven: TableDigest) -> None:
    """Raise TemporalViolation unless both engines computed the same."""
    if digest.value == proven.value:
        return
    columns = digest.changed_columns(proven)
    names = ", ".join(columns) or "the keys"
    raise TemporalViolation(
        f"{drop.table} of {drop.as_of:%Y-%m-%d}: PostgreSQL and polars computed different"
        f" aggregates: {names}",
        violations=columns,
        state="Nothing was frozen.",
        remedy="This is a fault of streamflow or of the database: report it with these columns.",
    )


def _describe_times(times: pl.Series, as_of: datetime) -> EventProof:
    known_times = times.filter(times <= as_of)
    newest = known_times.max()
    assert newest is None or isinstance(newest, datetime)
    return EventProof(
        events=len(known_times),
        newest=newest,
        late_events=len(times) - len(known_times),
    )
