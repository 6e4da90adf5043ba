"""The events of a drop with the value of each expression, for the second engine."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from streamflow.database import Address, arrow
from streamflow.warehouse.aggregates import EventDrop, event_values_sql

# The events of so many rows are in memory at a time, or those of one key if it has more.
CHUNK_ROWS = 500_000


def read_event_values(
    address: Address,
    drop: EventDrop,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[pl.DataFrame]:
    """Read all events of a drop in chunks, with the columns of `event_values_sql`.

    All events of a key are in one chunk.
    """
    pending: list[pl.DataFrame] = []
    for batch in arrow.stream(address, event_values_sql(drop).as_string()):
        pending.append(pl.DataFrame(batch))
        if sum(map(len, pending)) >= chunk_rows:
            rows = pl.concat(pending)
            is_last_key = rows[drop.key] == rows[drop.key][-1]
            yield rows.filter(~is_last_key)
            pending = [rows.filter(is_last_key)]
    if pending:
        yield pl.concat(pending)
