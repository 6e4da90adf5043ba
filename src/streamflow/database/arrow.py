"""Read frames from PostgreSQL and write them as Arrow data, by binary COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import adbc_driver_manager
import polars as pl
import pyarrow as pa

from streamflow.database.adbc import open_cursor
from streamflow.database.address import Address


def read(address: Address, query: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Read all rows of a query. Its parameters are written $1, $2, …"""
    with open_cursor(address) as cursor:
        cursor.execute(query, list(parameters) or None)
        return cursor.fetch_arrow_table()


def stream(
    address: Address,
    query: str,
    parameters: Sequence[object] = (),
) -> Iterator[pa.RecordBatch]:
    """Read the rows of a query in batches, as the server sends them.

    An error of the server that comes after the first rows is raised as an error of the driver, too:
    pyarrow reads the batches, and would raise an OSError.
    """
    with open_cursor(address) as cursor:
        cursor.execute(query, list(parameters) or None)
        yield from _translated(cursor.fetch_record_batch())


def _translated(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as exc:
            raise adbc_driver_manager.OperationalError(
                str(exc), status_code=adbc_driver_manager.AdbcStatusCode.IO
            ) from exc
        yield batch


def ingest(connection: Any, schema: str, table: str, chunks: Iterable[pl.DataFrame]) -> None:
    """Append rows to a table chunk by chunk, within the transaction of an ADBC connection."""
    _send(connection, table, chunks, mode="append", db_schema_name=schema)


def ingest_temporary(connection: Any, table: str, chunks: Iterable[pl.DataFrame]) -> None:
    """Create a temporary table of rows, within the transaction of an ADBC connection.

    Without a chunk no table is created.
    """
    _send(connection, table, chunks, mode="create", temporary=True)


def _send(connection: Any, table: str, chunks: Iterable[pl.DataFrame], **options: Any) -> None:
    """Send rows chunk by chunk. An error of `chunks` is raised as it is.

    ADBC would turn it into an error of its own, with ours as a text.
    """
    errors: list[Exception] = []

    def make_batches() -> Iterator[pa.RecordBatch]:
        try:
            for chunk in chunks:
                yield from chunk.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
        except Exception as exc:
            errors.append(exc)
            raise

    batches = make_batches()
    first = next(batches, None)
    if first is None:
        return
    reader = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    with connection.cursor() as cursor:
        try:
            cursor.adbc_ingest(table, reader, **options)
        except adbc_driver_manager.Error as exc:
            if errors:
                raise errors[0] from exc
            raise
