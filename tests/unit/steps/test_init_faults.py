"""Files that `init` once could not read: it names the file, and says what to do."""

from __future__ import annotations

import gzip
import io
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from streamflow.catalog import load_catalog
from streamflow.errors import CatalogInvalid
from streamflow.files import csv_files
from streamflow.steps.data.init import init

ROWS = 40


def _write_sheet(path: Path) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in [("user_id", "fee", "churned"), *((n, n * 1.5, n % 3 == 0) for n in range(ROWS))]:
        sheet.append(row)
    workbook.save(path)
    return path


def _refuse(files: list[Path], **options: bool) -> str:
    with pytest.raises(CatalogInvalid) as error:
        init(files, files[0].parent / "out.toml", **options)  # type: ignore[arg-type]
    return f"{error.value}\n{error.value.remedy}"


def test_a_truncated_sheet_is_named_beside_other_problems(tmp_path: Path) -> None:
    sheet = _write_sheet(tmp_path / "users.xlsx")
    sheet.write_bytes(sheet.read_bytes()[:2000])
    empty = tmp_path / "plans.csv"
    empty.write_text("user_id,plan\n", encoding="utf-8")
    text = _refuse([sheet, empty])
    assert "users.xlsx: it is a file that is not Excel's .xlsx, or is damaged" in text
    assert "plans.csv: it has a header and no rows" in text
    assert "Save the file again" in text


def test_a_sheet_without_a_part_is_named(tmp_path: Path) -> None:
    sheet = _write_sheet(tmp_path / "users.xlsx")
    sheet.write_bytes(sheet.read_bytes().replace(b"xl/workbook.xml", b"xl/workbook.abc"))
    text = _refuse([sheet])
    assert "users.xlsx: the file cannot be read as Excel" in text
    assert "Save the file again, and run 'streamflow init' again." in text


def test_a_sheet_that_unpacks_to_too_much_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamflow.files.excel_files.MAX_UNPACKED_BYTES", 1 << 10)
    text = _refuse([_write_sheet(tmp_path / "users.xlsx")])
    assert "users.xlsx: it is" in text
    assert "when it is unpacked" in text
    assert "export it as CSV" in text


def test_columns_of_lists_and_bytes_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "users.parquet"
    numbers = range(ROWS)
    columns = {
        "user_id": list(numbers),
        "tags": [["a"] for _ in numbers],
        "photo": [b"x" for _ in numbers],
        "fee": [number % 7 * 1.5 for number in numbers],
        "churned": [number % 3 == 0 for number in numbers],
    }
    pl.DataFrame(columns).write_parquet(file)
    receipt = init([file], tmp_path / "out.toml")
    ignored = load_catalog(tmp_path / "out.toml").file_format("users").ignore
    assert ignored[:2] == ("tags", "photo")
    reading = next(line for line in receipt.readings if "ignore" in line)
    assert "'tags' has the type" in reading
    assert "list<" in reading
    assert "'photo' has the type" in reading


def test_a_file_without_a_cell_of_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "users.parquet"
    pl.DataFrame({"tags": [["a"], ["b"]]}).write_parquet(file)
    text = _refuse([file])
    assert "users.parquet: column 'tags' has the type" in text
    assert "Write a file with columns of text" in text


def test_a_made_key_has_a_different_header_than_row_number(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    rows = [f"{number % 9},{number % 7}.5,{number % 3 == 0}" for number in range(ROWS)]
    file.write_text("\n".join(["row_number,fee,churned", *rows, ""]), encoding="utf-8")
    init([file], tmp_path / "out.toml", make_key=True)
    catalog = load_catalog(tmp_path / "out.toml")
    assert catalog.entity.key == "row_number"
    headers = catalog.headers("users")
    assert headers["row_number"] == "row_number_2"
    assert headers["row_number_given"] == "row_number"


def test_events_may_have_a_column_row_number(tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    rows = [f"{number},{number % 7}.5,{number % 3 == 0}" for number in range(ROWS)]
    users.write_text("\n".join(["user_id,fee,churned", *rows, ""]), encoding="utf-8")
    visits = tmp_path / "visits.csv"
    events = [
        f"{number % ROWS},2024-01-{number % 28 + 1:02},{number % 11},{number % 5}.5"
        for number in range(ROWS * 3)
    ]
    text = "\n".join(["user_id,visited_on,row_number,amount", *events, ""])
    visits.write_text(text, encoding="utf-8")
    init([users, visits], tmp_path / "out.toml")
    columns = load_catalog(tmp_path / "out.toml").events["visits"].columns
    assert columns["row_number_given"].header == "row_number"


@pytest.mark.parametrize("start", ["", "user_id,fee\n1,2\n"])
def test_a_line_without_an_end_is_named(tmp_path: Path, start: str) -> None:
    file = tmp_path / "users.csv.gz"
    with gzip.open(file, "wt", compresslevel=1) as stream:
        stream.write(start + "1," * (5 << 20))
    line = start.count("\n") + 1
    assert f"users.csv.gz:{line}: a record of more than 1,048,576 characters" in _refuse([file])
    row, record = csv_files.find_unreadable_record(file) or (None, None)
    assert row == line - 2
    assert record is not None
    assert "a record of more than 1,048,576 characters" in record.problem


def test_a_cell_of_too_many_lines_is_named(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    note = "a line\n" * 20_000
    file.write_text(f'user_id,note\n1,short\n2,"{note}"\n', encoding="utf-8")
    assert "users.csv:3: a cell of more than 131,072 characters" in _refuse([file])


def test_lines_stop_at_their_limit() -> None:
    stream = io.StringIO("x" * 1000)
    with pytest.raises(csv_files.csv.Error):
        list(csv_files.Lines(stream, limit=10))
    assert stream.tell() == 11


def test_dates_of_a_sheet_are_dates_beside_dates_of_text(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(("user_id", "joined", "moved", "fee", "churned"))
    for number in range(ROWS):
        day = date(2024, 1, 1) + timedelta(days=number)
        sheet.append((number, day, f"{day:%d.%m.%Y}", number % 7 * 1.5, number % 3 == 0))
    file = tmp_path / "users.xlsx"
    workbook.save(file)
    init([file], tmp_path / "out.toml")
    columns = load_catalog(tmp_path / "out.toml").tables["users"].columns
    assert columns["joined"].type == "date"
    assert columns["moved"].type == "date"


def test_a_title_above_the_header_of_a_sheet_is_skipped(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Members of the club"])
    sheet.append([])
    sheet.append(["user_id", "fee", "cancelled_on"])
    for number in range(ROWS):
        left_on = date(2024, 1, 5) if number % 3 == 0 else None
        sheet.append([number, number * 1.5, left_on])
    path = tmp_path / "users.xlsx"
    workbook.save(path)
    receipt = init([path], tmp_path / "out.toml")
    assert receipt.readings[0] == (
        "users.xlsx: skip_lines = 2: row 3 is the first with several cells"
    )
    assert (receipt.keys, receipt.label) == (ROWS, "users_label.churned")


def test_dates_of_eight_digits_are_dates_and_other_numbers_are_not(tmp_path: Path) -> None:
    days = [date(2023, 1, 1) + timedelta(days=7 * number) for number in range(ROWS)]
    users = tmp_path / "users.csv"
    rows = [
        f"{number},{day:%Y%m%d},{12345678 + 111 * number},{number % 2}"
        for number, day in enumerate(days)
    ]
    users.write_text("\n".join(["user_id,since,units,churn", *rows, ""]), encoding="utf-8")
    receipt = init([users], tmp_path / "out.toml")
    catalog = load_catalog(tmp_path / "out.toml")
    assert catalog.file_format("users").dates == "YYYYMMDD"
    columns = catalog.tables["users"].columns
    assert (columns["since"].type, columns["units"].type) == ("date", "int")
    assert receipt.keys == ROWS


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("How satisfied are you? " * 12, "column 2 is longer than 256 characters: 'How satisfied"),
        ("f\0e", r"column 2 holds a NUL: 'f\x00e'"),
    ],
)
def test_a_header_that_no_catalog_can_have_is_named(
    tmp_path: Path, header: str, problem: str
) -> None:
    file = tmp_path / "users.csv"
    rows = [f"{number},{number % 7},{number % 3 == 0}" for number in range(ROWS)]
    file.write_text("\n".join([f"user_id,{header},churned", *rows, ""]), encoding="utf-8")
    message = _refuse([file])
    assert f"users.csv: the header of {problem}" in message
    assert "Give each of these columns a shorter, plain name" in message


def test_a_header_of_256_characters_is_a_header(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    rows = [f"{number},{number % 7},{number % 3 == 0}" for number in range(ROWS)]
    file.write_text("\n".join([f"user_id,{'x' * 256},churned", *rows, ""]), encoding="utf-8")
    init([file], tmp_path / "out.toml")
    catalog = load_catalog(tmp_path / "out.toml")
    assert "x" * 256 in catalog.headers("users").values()


@pytest.mark.parametrize(
    ("stayed", "months", "problem"),
    [
        ("unknown", "unknown", "means a null where other cells are of a type: 10 cells 'unknown'"),
        ("a" * 65, "3", "a word for True or False has at most 64 characters"),
    ],
)
def test_words_of_a_label_that_no_catalog_can_declare_are_named(
    tmp_path: Path, stayed: str, months: str, problem: str
) -> None:
    users = tmp_path / "users.csv"
    ids = range(ROWS)
    users.write_text("".join(["user_id,fee\n", *(f"{n},{n % 7}\n" for n in ids)]))
    outcome = tmp_path / "outcome.csv"
    cells = [f"{n},{(stayed, 'gone')[n % 2]},{months if n % 4 == 0 else n}\n" for n in ids]
    outcome.write_text("".join(["user_id,result,months\n", *cells]))
    with pytest.raises(CatalogInvalid, match=problem) as error:
        init([users, outcome], tmp_path / "out.toml", label="result=gone")
    assert error.value.message.startswith(f"outcome.csv: the label holds '{stayed[:60]}")
    assert error.value.state == "No catalog was written."
    assert error.value.remedy.startswith("Export ")


def test_an_aggregate_that_the_catalog_refuses_is_not_proposed(tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    rows = [f"{number},{number % 7}.5,{number % 3 == 0}" for number in range(ROWS)]
    users.write_text("\n".join(["user_id,fee,churned", *rows, ""]), encoding="utf-8")
    texts = ("short", "x" * 4_000, "jet lag(severe)")
    visits = tmp_path / "visits.csv"
    events = [
        f"{number % ROWS},2024-01-{number % 28 + 1:02},{texts[number % 3]}"
        for number in range(ROWS * 3)
    ]
    visits.write_text("\n".join(["user_id,visited_on,kind", *events, ""]), encoding="utf-8")
    init([users, visits], tmp_path / "out.toml")
    aggregates = load_catalog(tmp_path / "out.toml").events["visits"].aggregates
    conditions = [aggregate.count for aggregate in aggregates.values() if aggregate.count]
    assert conditions == ["true", "true", "kind = 'short'"]
    assert "last_kind" in aggregates
