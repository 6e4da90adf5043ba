"""Bring the entity frame, which Feast's callers pass in several forms, into one shape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from streamflow.core.data.counts import count_of
from streamflow.features.point_in_time_join import INSTANT, ROW_KNOWN_AT

RunQuery = Callable[..., pa.Table]  # (statement, parameters) -> rows
UTC = pa.timestamp("us", tz="UTC")
KNOWN_AT = "known_at"  # optional column of the entity frame: each row's own known_at


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
        query = entity_df.strip().rstrip(";")
        table = run_query(f"SELECT * FROM ({query}) AS entity")  # noqa: S608
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


def request_frame(
    table: pa.Table, time_column: str, read_known_at: Callable[[], datetime]
) -> pl.DataFrame:
    """Return the columns INSTANT and ROW_KNOWN_AT of each row of an entity table.

    Args:
        table: the rows of `entity_table`.
        time_column: the name of its time column.
        read_known_at: returns the known_at of rows that do not name their own. It is called only
            when there are such rows.
    """
    frame = pl.DataFrame({INSTANT: pl.Series(table[time_column])})
    if KNOWN_AT not in table.column_names:
        same_instant = pl.lit(read_known_at(), pl.Datetime("us", "UTC"))
        return frame.with_columns(same_instant.alias(ROW_KNOWN_AT))
    known_at = pl.Series(ROW_KNOWN_AT, table[KNOWN_AT])
    if known_at.null_count():
        known_at = known_at.fill_null(read_known_at())
    return frame.with_columns(known_at)
