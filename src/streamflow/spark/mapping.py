"""Compute rows on the workers of the engine, by a function of ours."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from streamflow.errors import EngineFailed
from streamflow.spark.session import SparkEngine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Called on a worker with some rows; returns as many rows, or others.
ComputeRows = Callable[[pl.DataFrame], pl.DataFrame]

# The function travels in the message of the query, which may have 128 MB.
MAX_FUNCTION_BYTES = 100_000_000
# Called on a worker with a number; returns the rows that it makes for it.
MakeRows = Callable[[int], Iterable[pa.RecordBatch]]

SQL_TYPES = {
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.string(): "string",
    pa.bool_(): "boolean",
    pa.binary(): "binary",
}


@dataclass(frozen=True)
class Tasks:
    """How rows are divided: into `count` tasks, by the value that each has in `column`."""

    count: int
    column: str


def map_rows(
    engine: SparkEngine,
    statement: str,
    compute: ComputeRows,
    columns: Mapping[str, pa.DataType],
    *,
    tasks: Tasks | None = None,
) -> DataFrame:
    """Return the rows that a function makes of the rows of a statement, on the workers.

    Args:
        engine: the session.
        statement: the query whose rows are computed with.
        compute: is sent to the workers. They must have the modules that it needs.
        columns: the columns that it returns, and their types.
        tasks: how the rows are divided into tasks. None: as the engine has them. It makes few tasks
            of small rows, because it does not know that the function takes long.

    Raises:
        EngineFailed: the function is too large to be sent.
    """
    packed = _pack(compute)
    schema = pa.schema(list(columns.items()))

    def compute_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return compute_packed(packed, schema, batches)

    rows = engine.query(statement)
    if tasks and tasks.count > 1:
        rows = rows.repartition(tasks.count, tasks.column)
    return rows.mapInArrow(compute_batches, _declare(columns))


def make_rows(
    engine: SparkEngine, make: MakeRows, count: int, columns: Mapping[str, pa.DataType]
) -> DataFrame:
    """Return the rows that a function makes on the workers for each number below `count`.

    No row goes to the engine: the function reads what it needs itself. Each number is a task.

    Args:
        engine: the session.
        make: is sent to the workers. They must have the modules that it needs.
        count: how many numbers there are, at least one.
        columns: the columns that it returns, and their types.

    Raises:
        EngineFailed: the function is too large to be sent.
    """
    packed = _pack(make)
    schema = pa.schema(list(columns.items()))

    def make_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return make_packed(packed, schema, batches)

    return engine.number_tasks(count).mapInArrow(make_batches, _declare(columns))


def _declare(columns: Mapping[str, pa.DataType]) -> str:
    """Return the columns as Spark declares them."""
    return ", ".join(f"{name} {SQL_TYPES[kind]}" for name, kind in columns.items())


def _pack(function: Callable[[Any], Any]) -> bytes:
    """Return a function as bytes that can be sent. Raises EngineFailed if they are too many."""
    from pyspark import cloudpickle

    packed = zlib.compress(cloudpickle.dumps(function), level=1)
    if len(packed) > MAX_FUNCTION_BYTES:
        raise EngineFailed(
            f"the model has {len(packed) / 1e6:,.0f} MB when it is compressed, and at most"
            f" {MAX_FUNCTION_BYTES / 1e6:,.0f} MB can be sent to the engine",
            remedy="Use --engine local, or train a smaller model.",
        )
    return packed


def compute_packed(
    packed: bytes, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Compute each batch by a packed function. This runs on a worker."""
    compute = _unpack(packed)
    for batch in batches:
        rows = compute(pl.DataFrame(batch))
        yield from rows.select(schema.names).to_arrow().cast(schema).to_batches()


def make_packed(
    packed: bytes, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Make the rows of each number by a packed function. This runs on a worker."""
    make = _unpack(packed)
    for batch in batches:
        for number in batch.column(0).to_pylist():
            for rows in make(number):
                yield rows.select(schema.names).cast(schema)


@lru_cache(maxsize=4)
def _unpack(packed: bytes) -> Any:
    """Return a function that this installation packed and sent, once in each worker."""
    from pyspark import cloudpickle

    return cloudpickle.loads(zlib.decompress(packed))
