"""What `init` must not take for a number, for a feature, or for a null, without a word."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from streamflow.catalog import FileFormat, load_catalog
from streamflow.errors import CatalogInvalid
from streamflow.files import parquet_files
from streamflow.steps.data.init import init

ROWS = range(400)


def write(folder: Path, header: str, rows: list[str], name: str = "users.csv") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def test_codes_with_leading_zeros_stay_texts(tmp_path: Path) -> None:
    rows = [f"{n + 9_800:05d},{n * 97 % 1000 + 20:05d},{n % 7}.5,{'YN'[n % 2]}" for n in ROWS]
    path = write(tmp_path / "drop", "account_id,zip,fee,churn", rows)
    init([path], tmp_path / "catalog.toml", label="churn=Y")
    catalog = load_catalog(tmp_path / "catalog.toml")
    columns = catalog.tables["users"].columns
    assert (catalog.entity.type, columns["zip"].type, columns["fee"].type) == (
        "string",
        "string",
        "float",
    )


def test_a_copy_of_a_named_label_is_no_feature(tmp_path: Path) -> None:
    rows = [f"{n},{n % 9},{('active', 'cancelled')[n % 3 == 0]},{int(n % 3 == 0)}" for n in ROWS]
    path = write(tmp_path / "drop", "user_id,fee,status,target", rows)
    receipt = init([path], tmp_path / "catalog.toml", label="target")
    assert receipt.tables[0].features == ("fee",)
    assert any("status: it says the same as the label" in line for line in receipt.left_out)


def test_a_file_of_outcomes_feeds_no_feature(tmp_path: Path) -> None:
    users = [f"{n},{('Basic', 'Pro')[n % 2]},{n % 9}" for n in ROWS]
    outcomes = [
        f"{n},{('No', 'Yes')[n % 3 == 0]},{('', 'price')[n % 3 == 0]},{n % 3 and 0},{n % 4}"
        for n in ROWS
    ]
    drop = tmp_path / "drop"
    write(drop, "user_id,plan,fee", users)
    write(drop, "user_id,churned,reason,refund,last_agent", outcomes, "outcome.csv")
    receipt = init([drop], tmp_path / "catalog.toml")
    assert {table.table: table.features for table in receipt.tables} == {
        "outcome": (),
        "users": ("plan", "fee"),
    }


def test_a_word_for_null_that_is_also_a_text_is_said(tmp_path: Path) -> None:
    regions = ("EU", "NA", "APAC")
    rows = [f"{n},{regions[n % 3]},{'NA' if n % 50 == 0 else n % 9},{'YN'[n % 2]}" for n in ROWS]
    path = write(tmp_path / "drop", "user_id,region,charge,churn", rows)
    receipt = init([path], tmp_path / "catalog.toml", label="churn=Y")
    assert [line for line in receipt.decisions if "region" in line] == [
        "users.csv: 'NA' means null in the whole file, also in 133 cells of region:"
        " if it is a value there, remove it from 'nulls' in the catalog"
    ]


def test_a_record_of_parquet_has_a_cell_for_each_name_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pl.DataFrame({"fee": [1.5], "id": ["c0"], "churn": ["Yes"]}).write_parquet(path)
    file_format = FileFormat(ignore=("fee",))
    record = parquet_files.read_records(path, [0], file_format)[0]
    header = parquet_files.read_header(path, file_format)
    assert dict(zip(header, record.cells, strict=True)) == {"fee": "", "id": "c0", "churn": "Yes"}


def test_a_key_that_repeats_is_still_refused(tmp_path: Path) -> None:
    rows = [f"{n % 300:05d},{n},{'YN'[n % 2]}" for n in ROWS]
    path = write(tmp_path / "drop", "account_id,fee,churn", rows)
    with pytest.raises(CatalogInvalid, match="'account_id' repeats"):
        init([path], tmp_path / "catalog.toml", label="churn=Y")


def test_a_label_that_says_false_for_who_left_is_refused(tmp_path: Path) -> None:
    rows = [f"{n},{n % 9},{('true', 'false')[n % 3 == 0]}" for n in ROWS]
    path = write(tmp_path / "drop", "user_id,fee,is_active", rows)
    with pytest.raises(CatalogInvalid, match="'is_active' is True for who stayed"):
        init([path], tmp_path / "catalog.toml", label="is_active")
