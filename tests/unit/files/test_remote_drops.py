"""A drop at an address: which paths are one, and how the files of a table's folder become one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from streamflow.errors import ContractViolation
from streamflow.files.remote_drops import copy_drop, find_address


def test_an_address_is_found_although_pathlib_took_a_slash() -> None:
    assert find_address(Path("s3://bucket/month_000")) == "s3://bucket/month_000"
    assert find_address(Path("file:///data/month_000")) == "file:///data/month_000"
    assert find_address(Path("s3")) is find_address(Path("/data/s3:/bucket")) is None


def test_the_files_of_a_folder_become_one_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    drop, copy = tmp_path / "drop", tmp_path / "copy"
    (drop / "usage.parquet").mkdir(parents=True)
    (drop / "labels").mkdir()
    copy.mkdir()
    (drop / "users.csv").write_text("user_id\na\n")
    (drop / "usage.parquet" / "_SUCCESS").touch()
    frames = [
        pl.DataFrame({"user_id": [key], "hours": [hours]}, schema_overrides=HOURS)
        for key, hours in TWO_ROWS
    ]
    for number, frame in enumerate(frames):
        frame.write_parquet(drop / "usage.parquet" / f"part-{number}.parquet")
    frames[0].write_parquet(drop / "labels" / "part-0.parquet")
    copied = copy_drop(f"file://{drop}", copy, {})
    assert sorted(file.name for file in copied) == ["labels.parquet", "usage.parquet", "users.csv"]
    assert sorted(path.name for path in copy.iterdir()) == sorted(file.name for file in copied)
    assert pl.read_parquet(copy / "usage.parquet").equals(pl.concat(frames))
    assert (copy / "users.csv").read_bytes() == (drop / "users.csv").read_bytes()


TWO_ROWS = (("b", 1.5), ("a", None))
HOURS = {"hours": pl.Float64}


def test_a_place_without_files_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ContractViolation, match=str(place)):
            copy_drop(f"file://{place}", tmp_path, {})
