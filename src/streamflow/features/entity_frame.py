"""The entity frame: what Feast's callers hand over, brought into one shape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from streamflow.features.point_in_time_join import INSTANT, KNOWN

Read = Callable[..., pa.Table]  # (statement, parameters) -> rows
UTC = pa.timestamp("us", tz="UTC")
KNOWN_AT = "known_at"  # optional column of the entity frame: K of each row


def entity_table(entity_df: Any, read: Read) -> tuple[pa.Table, str]:
    """The asking rows, in their order, and the name of their time column; times are UTC, naive ones are taken as UTC.

    `entity_df` is a pandas frame or a SQL query. Raises ValueError for a missing instant.
    """
    import pandas as pd
    from feast.errors import InvalidEntityType
    from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

    if isinstance(entity_df, str):
        table = read(
            f"SELECT * FROM ({entity_df.strip().rstrip(';')}) AS entity"
        )  # Feast takes an entity frame as SQL, from its caller
    elif isinstance(entity_df, pd.DataFrame):
        table = pa.Table.from_pandas(entity_df, preserve_index=False)
    else:
        raise InvalidEntityType(type(entity_df))
    table = table.replace_schema_metadata(None)
    instant = infer_event_timestamp_from_entity_df(
        table.schema.empty_table().to_pandas().dtypes.to_dict()
    )
    for column in {instant, KNOWN_AT} & set(table.column_names):
        at = table.column_names.index(column)
        table = table.set_column(at, pa.field(column, UTC), _in_utc(table[column]))
    if table[instant].null_count:
        raise ValueError(
            f"column '{instant}' of the entity frame has {table[instant].null_count} rows without an instant"
        )
    return table, instant


def _in_utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants of any type (timestamps, dates, text) in microseconds of UTC, rounded down."""
    import pandas as pd

    if not pa.types.is_timestamp(column.type):
        column = pa.chunked_array([pa.array(pd.to_datetime(column.to_pandas(), utc=True))])
    series = pl.Series(column)
    assert isinstance(series.dtype, pl.Datetime)
    zoned = (
        series.dt.convert_time_zone("UTC")
        if series.dtype.time_zone
        else series.dt.replace_time_zone("UTC")
    )
    return pa.chunked_array([zoned.dt.cast_time_unit("us").to_arrow()])


def asking_frame(table: pa.Table, instant: str, known_now: Callable[[], datetime]) -> pl.DataFrame:
    """INSTANT and KNOWN of each asking row; `known_now` is asked for K only where the frame names none."""
    frame = pl.DataFrame({INSTANT: pl.Series(table[instant])})
    if KNOWN_AT not in table.column_names:
        return frame.with_columns(pl.lit(known_now(), pl.Datetime("us", "UTC")).alias(KNOWN))
    known = pl.Series(KNOWN, table[KNOWN_AT])
    return frame.with_columns(known.fill_null(known_now()) if known.null_count() else known)
