"""Values of Parquet files that no cell can hold are refused, and end no process."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamflow.catalog.file_format import STRICT_CSV
from streamflow.errors import ContractViolation
from streamflow.files import parquet_files

LARGEST_DAY = 2**31 - 1  # the infinity of a date in DuckDB and PostgreSQL
LARGEST = 2**63 - 1  # the infinity of an instant


def write(path: Path, values: pa.Array) -> Path:
    pq.write_table(pa.table({"at": values}), path)
    return path


def cells(path: Path) -> Sequence[str | None]:
    (_, frame), *_ = parquet_files.read_batches(path, STRICT_CSV)
    return frame["at"].to_list()


def test_dates_that_no_calendar_has_are_written_as_no_date(tmp_path: Path) -> None:
    days = pa.array([19_753, LARGEST_DAY, None, -LARGEST_DAY - 1], pa.int32())
    assert cells(write(tmp_path / "a.parquet", days.cast(pa.date32()))) == [
        "2024-01-31",
        "2147483647 is no date",
        None,
        "-2147483648 is no date",
    ]


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize(("zone", "mark"), [(None, ""), ("Europe/Berlin", "Z")])
def test_instants_that_no_calendar_has_are_written_as_no_date(
    tmp_path: Path, unit: str, zone: str | None, mark: str
) -> None:
    numbers = pa.array([0, LARGEST, None, -LARGEST], pa.int64())
    assert cells(write(tmp_path / "a.parquet", numbers.cast(pa.timestamp(unit, zone)))) == [
        f"1970-01-01 00:00:00{mark}",
        "9223372036854775807 is no date",
        None,
        "-9223372036854775807 is no date",
    ]


def test_nanoseconds_are_all_written(tmp_path: Path) -> None:
    numbers = pa.array([LARGEST], pa.int64()).cast(pa.timestamp("ns"))
    assert cells(write(tmp_path / "a.parquet", numbers)) == ["2262-04-11 23:47:16.854775807"]


def test_a_decimal_that_is_too_long_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", pa.array([Decimal("1.50")], pa.decimal256(50, 2)))
    types = parquet_files.find_types_without_text(path, STRICT_CSV)
    assert types == [("at", "decimal256(50, 2)")]
    path = write(tmp_path / "b.parquet", pa.array([Decimal("1.50")], pa.decimal128(38, 2)))
    assert parquet_files.find_types_without_text(path, STRICT_CSV) == []
    assert cells(path) == ["1.50"]


def test_a_zone_that_nobody_knows_is_named(tmp_path: Path) -> None:
    numbers = pa.array([0], pa.int64()).cast(pa.timestamp("us", "Nowhere/Here"))
    path = write(tmp_path / "a.parquet", numbers)
    with pytest.raises(ContractViolation, match="cannot be read as Parquet: .*time zone"):
        cells(path)
