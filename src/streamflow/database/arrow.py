"""Frames in and out of PostgreSQL as Arrow, by binary COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import polars as pl
import pyarrow as pa

from streamflow.database.adbc import reading
from streamflow.database.address import Address


def read(address: Address, query: str, parameters: Sequence[object] = ()) -> pa.Table:
    """The rows of a query with $1, $2, …"""
    with reading(address) as cursor:
        cursor.execute(query, list(parameters) or None)
        return cursor.fetch_arrow_table()


def stream(
    address: Address, query: str, parameters: Sequence[object] = ()
) -> Iterator[pa.RecordBatch]:
    """The rows of a query in batches, as the server sends them."""
    with reading(address) as cursor:
        cursor.execute(query, list(parameters) or None)
        yield from cursor.fetch_record_batch()


def ingest(opened: Any, schema: str, table: str, parts: Iterable[pl.DataFrame]) -> None:
    """Append rows, a part at a time, within the transaction of an ADBC connection."""
    batches = (
        batch
        for part in parts
        for batch in part.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
    )
    first = next(batches, None)
    if first is None:
        return
    reader = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    with opened.cursor() as cursor:
        cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)
