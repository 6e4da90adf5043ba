"""A file of rows has their columns, also if there are no rows."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from streamflow.files.frames import write_rows
from streamflow.warehouse.drops import RejectedRow

ROW = RejectedRow(
    table_name="users", file="users.csv", line=17, key=None, reason="no key", cells="{}"
)


@pytest.mark.parametrize("rows", [[], [ROW]], ids=["no rows", "one row"])
def test_a_file_of_rows_names_its_columns(rows: list[RejectedRow], tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    write_rows(rows, RejectedRow, path)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert [row["line"] for row in reader] == [str(row.line) for row in rows]
    names = ["table_name", "file", "line", "key", "reason", "cells"]
    assert reader.fieldnames == names
    write_rows(rows, RejectedRow, tmp_path / "rejects.parquet")
    assert pl.read_parquet(tmp_path / "rejects.parquet").columns == names
