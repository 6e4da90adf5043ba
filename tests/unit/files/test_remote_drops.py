"""A drop at an address: which paths are one, and how the files of a table's folder become one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from streamflow.errors import ContractViolation
from streamflow.files.remote_drops import copy_drop, find_address, refuse_credentials


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


def test_what_a_failed_task_of_spark_left_is_not_read(tmp_path: Path) -> None:
    drop, copy = tmp_path / "drop", tmp_path / "copy"
    copy.mkdir()
    for place in ("users", "users/_temporary/0", "_delta_log"):
        (drop / place).mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"user_id": [place]}).write_parquet(drop / place / "part-0.parquet")
    copied = copy_drop(f"file://{drop}", copy, {})
    assert [file.name for file in copied] == ["users.parquet"]
    assert pl.read_parquet(copy / "users.parquet")["user_id"].to_list() == ["users"]


@pytest.mark.parametrize("beside", ["users.parquet", "users.parquet/part-0.parquet"])
def test_a_table_that_is_there_twice_is_refused(tmp_path: Path, beside: str) -> None:
    drop, copy = tmp_path / "drop", tmp_path / "copy"
    copy.mkdir()
    for name in ("users/part-0.parquet", beside):
        (drop / name).parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"user_id": [name]}).write_parquet(drop / name)
    with pytest.raises(ContractViolation, match=r"users\.parquet twice"):
        copy_drop(f"file://{drop}", copy, {})


def test_an_address_with_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(ContractViolation) as refused:
        refuse_credentials("s3://me:hidden@bucket/month_000")
    assert "hidden" not in f"{refused.value.message} {refused.value.remedy}"
    refuse_credentials("s3://bucket/me@example.com:1")
    refuse_credentials("file:///data/a:b@c")
