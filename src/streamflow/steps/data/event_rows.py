"""Prepare the rows of files of events for their raw table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import ROW_NUMBER, Catalog
from streamflow.core.data.contract import polars_type
from streamflow.core.data.counts import choose_form, count_of


class EventRows:
    """Numbers the events of a drop, and counts those that are after its as_of."""

    def __init__(self, catalog: Catalog, as_of: datetime) -> None:
        self._catalog = catalog
        self._as_of = as_of
        self._late_counts: Counter[str] = Counter()

    def number_rows(self, table: str, typed: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Return the rows as their raw table holds them: events with their row numbers.

        Args:
            table: the table of the rows.
            typed: (n, ·) the typed rows.
            rows: (n,) the number of each row in its file.
        """
        events = self._catalog.events.get(table)
        if events is None:
            return typed
        times = typed[events.time].cast(polars_type("timestamp"))
        self._late_counts[table] += int((times > self._as_of).sum())
        return typed.with_columns(pl.Series(ROW_NUMBER, rows))

    def warn_of_late_events(self) -> Iterator[str]:
        """Return a warning for each table that has events after the as_of."""
        for table, count in (+self._late_counts).items():
            yield (
                f"{self._catalog.file(table)}: {count_of(count, 'event')} after"
                f" {self._as_of:%Y-%m-%d %H:%M} UTC {choose_form(count, 'does', 'do')} not count"
                " in this drop"
            )
