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


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (("true", "false"), "is_active"),
        (("True", "False"), "is_active"),
        (("TRUE", "FALSE"), None),
        (("true", "false"), "is_active=false"),
    ],
)
def test_a_label_that_says_false_for_who_left_is_turned_around(
    tmp_path: Path, words: tuple[str, str], label: str | None
) -> None:
    rows = [f"{n},{n % 9},{words[n % 3 == 0]},{words[n % 2]}" for n in ROWS]
    header = "user_id,fee,is_active,auto_renew"
    path = write(tmp_path / "drop", header, rows)
    receipt = init([path], tmp_path / "catalog.toml", label=label or "is_active")
    catalog = load_catalog(tmp_path / "catalog.toml")
    assert receipt.label == "users_label.churned"
    columns = catalog.tables["users_label"].columns
    assert columns["churned"].expr == "NOT is_active"
    assert columns["is_active"].type == "bool"
    assert [f.name for f in catalog.features] == ["fee", "auto_renew"]
    assert (
        "the label is the opposite of 'is_active', which is True for who stayed"
        in receipt.decisions
    )


def test_a_label_in_words_and_bools_is_turned_around(tmp_path: Path) -> None:
    rows = [f"{n},{n % 9},{('true', 'false', '0')[n % 3]}" for n in ROWS]
    path = write(tmp_path / "drop", "user_id,fee,is_active", rows)
    init([path], tmp_path / "catalog.toml", label="is_active")
    catalog = load_catalog(tmp_path / "catalog.toml")
    written = catalog.file_format("users_label")
    assert (written.true, written.false) == (("true",), ("0", "false"))
    assert catalog.label.column == "churned"


def describe_numbers(tmp_path: Path, text: str) -> tuple[str, str, list[str]]:
    """Return decimal and thousands of a guess, and the decisions that speak of them."""
    path = tmp_path / "users.csv"
    path.write_text(text, encoding="utf-8")
    receipt = init([path], tmp_path / "catalog.toml", force=True)
    written = load_catalog(tmp_path / "catalog.toml").file_format("users")
    decisions = [line for line in receipt.decisions if "thousands" in line]
    return written.decimal, written.thousands, decisions


def test_a_number_that_could_be_a_thousand_times_as_large_is_said(tmp_path: Path) -> None:
    rows = [(n, f"{n % 7 + 1}.{n % 900 + 100}", f"{n % 5 + 1},5", "YN"[n % 2]) for n in ROWS]
    alone = "".join(f"{n};{sales};{left}\n" for n, sales, _, left in rows)
    sign = "for this file in the catalog"
    assert describe_numbers(tmp_path, f"id;sales;churn\n{alone}") == (
        ",",
        ".",
        [
            "users.csv: 'sales' holds '1.100', which is read as 1100: no number of the file says "
            f"that it is not 1.100. If it is, write decimal = '.' and thousands = '' {sign}"
        ],
    )
    assert describe_numbers(tmp_path, f"id;sales;churn\n{alone}".replace(";", ",")) == (
        ".",
        "",
        [
            "users.csv: 'sales' holds '1.100', which is read as 1.100: no number of the file says "
            f"that it is not 1100. If it is, write decimal = ',' and thousands = '.' {sign}"
        ],
    )
    # A number of a different column decides.
    with_comma = "".join(f"{n};{sales};{fee};{left}\n" for n, sales, fee, left in rows)
    assert describe_numbers(tmp_path, f"id;sales;fee;churn\n{with_comma}") == (",", ".", [])
    with_point = with_comma.replace(",", ".")
    assert describe_numbers(tmp_path, f"id;sales;fee;churn\n{with_point}") == (".", "", [])
    # A number below 1 has no thousands.
    small = alone.replace(";1.", ";0.")
    assert describe_numbers(tmp_path, f"id;sales;churn\n{small}") == (".", "", [])
