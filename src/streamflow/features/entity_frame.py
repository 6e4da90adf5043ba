"""Bring the entity frame, which Feast's callers pass in several forms, into one shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from streamflow.core.data.counts import count_of
from streamflow.features.history_source import KNOWN_AT, RunQuery
from streamflow.features.point_in_time_join import INSTANT, ROW_KNOWN_AT

UTC = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, kw_only=True)
class EntityRequest:
    """What the rows of an entity frame ask for.

    rows               (n, 2) INSTANT and ROW_KNOWN_AT of each row
    names_known_at     whether the entity frame has the column known_at
    limits_knowledge   whether a row may not see everything that is known at present
    """

    rows: pl.DataFrame
    names_known_at: bool
    limits_knowledge: bool


def entity_table(entity_df: Any, run_query: RunQuery) -> tuple[pa.Table, str]:
    """Return the rows of an entity frame as an Arrow table, and the name of its time column.

    The rows keep their order. Times become UTC; a time without a zone is taken as UTC.

    Args:
        entity_df: a pandas frame or a SQL query.
        run_query: runs a statement, for an entity frame that is a SQL query.

    Raises:
        ValueError: the instant of a row is missing.
    """
    table = _read_entities(entity_df, run_query)
    time_column = _find_time_column(table)
    for column in {time_column, KNOWN_AT} & set(table.column_names):
        position = table.column_names.index(column)
        instants = _to_utc(table[column])
        table = table.set_column(position, pa.field(column, UTC), instants)
    missing_instants = table[time_column].null_count
    if missing_instants:
        rows = count_of(missing_instants, "row")
        raise ValueError(f"column '{time_column}' of the entity frame has no value in {rows}")
    return table, time_column


def _read_entities(entity_df: Any, run_query: RunQuery) -> pa.Table:
    """Return the rows of an entity frame as Arrow, without pandas' metadata."""
    import pandas as pd
    from feast.errors import InvalidEntityType

    if isinstance(entity_df, str):
        # Feast takes an entity frame as SQL from its caller, so the query is the caller's own.
        # It may end with a comment, so a line end follows.
        query = entity_df.strip().rstrip(";")
        table = run_query(f"SELECT * FROM ({query}\n) AS entity")  # noqa: S608
    elif isinstance(entity_df, pd.DataFrame):
        table = pa.Table.from_pandas(entity_df, preserve_index=False)
    else:
        raise InvalidEntityType(type(entity_df))
    return table.replace_schema_metadata(None)


def _find_time_column(table: pa.Table) -> str:
    """Return the name of the column that Feast takes as the time of the rows."""
    from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

    empty_frame = table.schema.empty_table().to_pandas()
    column: str = infer_event_timestamp_from_entity_df(empty_frame.dtypes.to_dict())
    return column


def _to_utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return instants of any type (timestamp, date, text) in microseconds of UTC, rounded down."""
    import pandas as pd

    if not pa.types.is_timestamp(column.type):
        instants = pd.to_datetime(column.to_pandas(), utc=True)
        column = pa.chunked_array([pa.array(instants)])
    series = pl.Series(column)
    assert isinstance(series.dtype, pl.Datetime)
    if series.dtype.time_zone:
        in_utc = series.dt.convert_time_zone("UTC")
    else:
        in_utc = series.dt.replace_time_zone("UTC")
    microseconds = in_utc.dt.cast_time_unit("us")
    return pa.chunked_array([microseconds.to_arrow()])


def make_request(
    table: pa.Table,
    time_column: str,
    read_known_at: Callable[[], datetime],
    *,
    created_before_instant: bool = False,
) -> EntityRequest:
    """Return what each row of an entity table asks for.

    Args:
        table: the rows of `entity_table`.
        time_column: the name of its time column.
        read_known_at: returns the known_at of rows that do not name their own. It is called only
            when there are such rows.
        created_before_instant: whether a row sees only what was known at its instant, too.
    """
    names_known_at = KNOWN_AT in table.column_names
    rows = pl.DataFrame({INSTANT: pl.Series(table[time_column])})
    rows = rows.with_columns(_known_at_of_rows(table, read_known_at).alias(ROW_KNOWN_AT))
    if created_before_instant:
        rows = rows.with_columns(pl.min_horizontal(INSTANT, ROW_KNOWN_AT).alias(ROW_KNOWN_AT))
    return EntityRequest(
        rows=rows,
        names_known_at=names_known_at,
        limits_knowledge=names_known_at or created_before_instant,
    )


def _known_at_of_rows(table: pa.Table, read_known_at: Callable[[], datetime]) -> pl.Series:
    """Return the known_at of each row."""
    if KNOWN_AT not in table.column_names:
        return pl.repeat(
            read_known_at(),
            table.num_rows,
            dtype=pl.Datetime("us", "UTC"),
            eager=True,
        )
    known_at = pl.Series(table[KNOWN_AT])
    if known_at.null_count():
        known_at = known_at.fill_null(read_known_at())
    return known_at


def find_period(entity_df: Any, run_query: RunQuery) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last instant of an entity frame; None if it has no row."""
    table, time_column = entity_table(entity_df, run_query)
    instants = pl.Series(table[time_column])
    return instants.min(), instants.max()  # type: ignore[return-value]  # instants, or None
