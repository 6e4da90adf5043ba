"""A function of ours on the workers of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import polars as pl
import pyarrow as pa
import pytest
from support.spark_servers import sail_server

from streamflow.errors import EngineFailed
from streamflow.spark import mapping
from streamflow.spark.mapping import map_rows
from streamflow.spark.session import SparkEngine, open_engine

COLUMNS = {"text": pa.string(), "whole": pa.int64(), "real": pa.float64(), "small": pa.int32()}
ROWS = pl.DataFrame({"n": [1, 2, None]})


@pytest.fixture(scope="module")
def engine() -> Iterator[SparkEngine]:
    with sail_server() as remote, closing(open_engine(remote)) as opened:
        yield opened


def test_each_type_and_its_null_comes_back(engine: SparkEngine) -> None:
    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        number = pl.col("n")
        return rows.select(
            text=number.cast(pl.String), whole=number, real=number / 3, small=number.cast(pl.Int32)
        )

    mapped = map_rows(engine, f"SELECT * FROM {engine.send(ROWS)}", compute, COLUMNS)
    assert engine.read(mapped).sort("whole").equals(compute(ROWS).sort("whole"))


def test_an_error_on_a_worker_says_what_it_was(engine: SparkEngine) -> None:
    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("the reason, " * 9 + "and its end")

    mapped = map_rows(engine, f"SELECT * FROM {engine.send(ROWS)}", compute, COLUMNS)
    with pytest.raises(EngineFailed, match="the reason, and its end"):
        engine.read(mapped)


def test_a_function_that_is_too_large_is_not_sent(
    engine: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MAX_FUNCTION_BYTES", 10)
    with pytest.raises(EngineFailed, match="Use --engine local, or train a smaller model"):
        map_rows(engine, "SELECT 1", lambda rows: rows, COLUMNS)
