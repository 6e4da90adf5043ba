"""The same rows in files of every kind and format are the same typed rows, or are refused."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from support.excel import with_empty_text

from streamflow.catalog import Catalog, parse_catalog
from streamflow.core.data.rejects import list_rejects
from streamflow.errors import ContractViolation, StreamflowError
from streamflow.steps.data.drop_files import find_delivered_tables
from streamflow.steps.data.drop_reading import CheckedDrop, inspect_files, read_drop
from streamflow.steps.data.rejected_rows import describe_rejects
from streamflow.steps.data.violations import make_violation_error

DECLARATIONS = """
model = "small"

[entity]
name = "user"
key = "user_id"
table = "users"

[label]
table = "labels"
column = "churned"

[views.fees]
table = "users"

[tables.users]
file = "{file}"
[tables.users.columns]
fee = {{ type = "float", view = "fees", nullable = true{fee} }}
visits = {{ type = "int" }}
senior = {{ type = "bool", nullable = true }}
since = {{ type = "date" }}
seen = {{ type = "timestamp", nullable = true }}
note = {{ type = "string", nullable = true }}

[tables.labels.columns]
churned = {{ type = "bool" }}

[files.users]
{format}
"""
ROWS: list[list[Any]] = [
    ["user_id", "fee", "visits", "senior", "since", "seen", "note"],
    ["ä-1", "1234.5", "3", "True", "2024-01-31", "2024-01-31 10:20:30", "a b"],
    ["b-2", "0.1", "-7", "False", "2023-12-01", "", "€"],
    ["c-3", "", "1200", "", "2020-02-29", "2024-01-01 00:00:00", ""],
]
EXTRA_COLUMN = [[*ROWS[0], "extra"], *([*row, "x"] for row in ROWS[1:])]


@dataclass(frozen=True)
class Reading:
    """What reading one users file gave: its rows, or the message of the refusal."""

    rows: pl.DataFrame | None
    message: str
    drop: CheckedDrop | None = None


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Reading]:
    """Read a drop whose users file has these bytes, in a declared format."""

    def read_users(
        content: bytes, declared: str = "", *, file: str = "users.csv", fee: str = ""
    ) -> Reading:
        catalog = make_catalog(declared, file=file, fee=fee)
        folder = tmp_path / "month"
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
        with ExitStack() as closing:
            try:
                tables = find_delivered_tables(folder, catalog)
                facts = inspect_files(folder, catalog, tables)
                drop = read_drop(
                    folder,
                    catalog,
                    facts,
                    {},
                    as_of=datetime(2024, 1, 31, tzinfo=UTC),
                    space=tmp_path,
                    closing=closing,
                    notify=lambda _: None,
                )
                if drop.violations:
                    error = make_violation_error(folder, catalog, drop.violations)
                    return Reading(None, error.message, drop)
                return Reading(pl.concat(drop.spools["users"].read_frames()), "", drop)
            except StreamflowError as error:
                return Reading(None, error.message)

    return read_users


def assert_same(rows: pl.DataFrame | None, expected: pl.DataFrame | None) -> None:
    """Equal to the last bit, so that their digests are equal too."""
    assert rows is not None
    assert expected is not None
    assert_frame_equal(rows, expected, check_exact=True)


def make_catalog(declared: str = "", *, file: str = "users.csv", fee: str = "") -> Catalog:
    text = DECLARATIONS.format(file=file, format=declared, fee=fee)
    return parse_catalog(text, origin="catalog.toml")


def csv_text(rows: list[list[Any]] = ROWS, separator: str = ",", line_end: str = "\n") -> str:
    return "".join(separator.join(map(str, row)) + line_end for row in rows)


def change(column: int, convert: Callable[[str], str]) -> list[list[Any]]:
    """The rows with the filled cells of one column converted."""
    changed = [list(row) for row in ROWS]
    for row in changed[1:]:
        row[column] = convert(row[column]) if row[column] else ""
    return changed


STRICT = csv_text()
GERMAN = [[str(cell) for cell in row] for row in ROWS]
for row, fee, visits, senior, since, seen in (
    (1, "1.234,5 €", "3", "Ja", "31.1.2024", "31.01.2024 10:20:30"),
    (2, "0,1", "-7", "Nein", "01.12.2023", "k.A."),
    (3, "k.A.", "1.200", "k.A.", "29.02.2020", "1.1.2024 00:00"),
):
    GERMAN[row][1:6] = [fee, visits, senior, since, seen]
GERMAN_FORMAT = (
    'separator = ";"\nencoding = "windows-1252"\ndecimal = ","\nthousands = "."\n'
    'signs = ["€"]\ndates = "DD.MM.YYYY"\nnulls = ["k.A."]\ntrue = ["Ja"]\nfalse = ["Nein"]'
)
HEADERS = 'key_header = "User ID"\nignore = ["", "Unnamed: 0"]'


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        pytest.param(STRICT.encode("utf-8-sig"), 'encoding = "utf-8-sig"', id="byte order mark"),
        pytest.param(STRICT.encode(), 'encoding = "utf-8-sig"', id="no byte order mark"),
        pytest.param(STRICT.encode("utf-16"), 'encoding = "utf-16"', id="UTF-16"),
        pytest.param(STRICT.encode("utf-16-be"), 'encoding = "utf-16-be"', id="UTF-16-BE"),
        pytest.param(STRICT.encode("cp1252"), 'encoding = "windows-1252"', id="Windows-1252"),
        pytest.param(csv_text(separator="\t").encode(), 'separator = "\\t"', id="tabs"),
        pytest.param(csv_text(separator="|").encode(), 'separator = "|"', id="bars"),
        pytest.param(csv_text(line_end="\r").encode(), "", id="carriage returns"),
        pytest.param(f"sep=,\r\n{STRICT}".encode(), "skip_lines = 1", id="sep line"),
        pytest.param(
            f"Report\r\rof May\r{csv_text(line_end=chr(13))}".encode(), "skip_lines = 3", id="title"
        ),
        pytest.param(csv_text(GERMAN, ";").encode("cp1252"), GERMAN_FORMAT, id="German"),
        pytest.param(csv_text(change(3, str.upper)).encode(), 'true=["TRUE"]\nfalse=["FALSE"]'),
        pytest.param(csv_text(change(2, "{}.0".format)).encode(), "whole_floats = true"),
        pytest.param(csv_text(change(1, "$ {}".format)).encode(), 'signs = ["$", "£"]'),
        pytest.param(
            csv_text([[f" {cell}\u00a0" for cell in row] for row in ROWS]).encode(), "trim = true"
        ),
        pytest.param(
            csv_text([["", *ROWS[0], ""], *([f"{n}", *row, "x"] for n, row in enumerate(ROWS[1:]))])
            .encode(),
            'ignore = [""]',
            id="columns without a name",
        ),
    ],
)  # fmt: skip
def test_a_declared_format_gives_the_rows_of_strict_csv(
    read: Callable[..., Reading], content: bytes, declared: str
) -> None:
    expected = read(STRICT.encode())
    assert expected.rows is not None, expected.message
    reading = read(content, declared)
    assert reading.message == ""
    assert_same(reading.rows, expected.rows)
    packed = read(gzip.compress(content), declared, file="users.csv.gz")
    assert_same(packed.rows, expected.rows)


def typed_rows() -> dict[str, list[Any]]:
    return {
        "user_id": ["ä-1", "b-2", "c-3"],
        "fee": [1234.5, 0.1, None],
        "visits": [3, -7, 1200],
        "senior": [True, False, None],
        "since": [date(2024, 1, 31), date(2023, 12, 1), date(2020, 2, 29)],
        "seen": [datetime(2024, 1, 31, 10, 20, 30), None, datetime(2024, 1, 1)],
        "note": ["a b", "€", None],
    }


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def with_type(name: str, arrow_type: pa.DataType) -> pa.Table:
    table = pa.table(typed_rows())
    position = table.column_names.index(name)
    return table.set_column(position, name, table[name].cast(arrow_type))


@pytest.mark.parametrize(
    ("table", "declared"),
    [
        (pa.table(typed_rows()), ""),
        (pa.table(typed_rows()), 'decimal = ","'),
        (with_type("fee", pa.float32()), ""),
        (with_type("visits", pa.int16()), ""),
        (with_type("visits", pa.float64()), "whole_floats = true"),
        (with_type("visits", pa.string()), ""),
        (with_type("since", pa.timestamp("ns")), ""),
        (with_type("since", pa.date64()), ""),
        (with_type("seen", pa.timestamp("ns", "UTC")), ""),
        (with_type("note", pa.dictionary(pa.int8(), pa.string())), ""),
        (with_type("user_id", pa.large_string()), ""),
        (pa.table({"__index_level_0__": [[1], [2], [3]], **typed_rows()}),
         'ignore = ["__index_level_0__"]'),
    ],
    ids=str,
)  # fmt: skip
def test_parquet_has_the_rows_of_csv(
    read: Callable[..., Reading], table: pa.Table, declared: str
) -> None:
    expected = read(STRICT.encode())
    reading = read(parquet(table), declared, file="users.parquet")
    assert reading.message == ""
    assert_same(reading.rows, expected.rows)


def excel(*, title: str = "", sheets: tuple[str, ...] = ("Users",)) -> bytes:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name in sheets:
        sheet = workbook.create_sheet(name)
        if title:
            sheet.append([title])
        rows = typed_rows()
        sheet.append(list(rows))
        for row in zip(*rows.values(), strict=True):
            sheet.append(row)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (excel(), ""),
        (excel(title="Report"), "skip_lines = 1"),
        (excel(sheets=("Notes", "Users")), 'sheet = "Users"'),
    ],
)
def test_excel_has_the_rows_of_csv(
    read: Callable[..., Reading], content: bytes, declared: str
) -> None:
    reading = read(content, declared, file="users.xlsx")
    assert reading.message == ""
    assert_same(reading.rows, read(STRICT.encode()).rows)


def test_a_header_of_its_own_is_named_in_violations(read: Callable[..., Reading]) -> None:
    rows = [["", "User ID", "Monthly Charges", *ROWS[0][2:]]]
    rows += [[number, *row] for number, row in enumerate(ROWS[1:])]
    rows[2][2] = "1,5"
    text = csv_text(rows, ";")
    declared = f'separator = ";"\nskip_lines = 1\n{HEADERS}'
    reading = read(f"sep=;\n{text}".encode(), declared, fee=', header = "Monthly Charges"')
    assert reading.message.splitlines() == [
        "month/users.csv:4 column 'Monthly Charges': expected a finite number, got '1,5'",
        "(1 violation)",
    ]
    good = read(f"sep=;\n{text.replace('1,5', '0.1')}".encode(), declared,
                fee=', header = "Monthly Charges"')  # fmt: skip
    assert_same(good.rows, read(STRICT.encode()).rows)


def test_rejected_rows_keep_the_declared_columns_by_their_names_in_the_catalog(
    read: Callable[..., Reading], tmp_path: Path
) -> None:
    """`forget` finds a rejected key by that name; a column that is not read is not kept."""
    rows = [["Unnamed: 0", "User ID", *ROWS[0][1:]], *(["secret", *row] for row in ROWS[1:])]
    rows[2][2] = "x"
    reading = read(csv_text(rows).encode(), HEADERS)
    assert reading.drop is not None
    rejects = list_rejects(reading.drop.violations, reading.drop.keys, key="user_id")
    described = describe_rejects(tmp_path / "month", make_catalog(HEADERS), rejects)
    assert [row.line for row in described] == [3]
    cells = json.loads(described[0].cells)
    assert cells["user_id"] == "b-2"
    assert "secret" not in cells.values()


@pytest.mark.parametrize(
    ("content", "file", "expected"),
    [
        (STRICT.encode("utf-16"), "users.csv", 'declare encoding = "utf-16" in [files.users]'),
        (STRICT.encode("utf-16-le"), "users.csv", 'declare encoding = "utf-16-le"'),
        (STRICT.encode("utf-8-sig"), "users.csv", 'declare encoding = "utf-8-sig"'),
        (gzip.compress(STRICT.encode()), "users.csv", 'declare file = "users.csv.gz"'),
        (parquet(pa.table(typed_rows())), "users.csv", 'declare file = "users.parquet"'),
        (excel(), "users.csv", 'declare file = "users.xlsx" in [tables.users]'),
        (excel(sheets=("A", "B")), "users.xlsx", "declare one of them as sheet: 'A', 'B'"),
        (csv_text(separator=";").encode(), "users.csv", '(declare separator = ";"'),
        (f"sep=,\n{STRICT}".encode(), "users.csv", "(declare skip_lines = 1 in [files.users])"),
        (STRICT.replace("fee", " fee").encode(), "users.csv", "(declare trim = true"),
        (csv_text([[*row, ""] for row in ROWS]).encode(), "users.csv", 'declare ignore = [""]'),
        (STRICT.replace("fee", "Fee").encode(), "users.csv", 'declare header = "Fee" for fee'),
        (csv_text(EXTRA_COLUMN).encode(), "users.csv", 'ignore = ["extra"]'),
    ],
)
def test_a_file_in_an_undeclared_format_is_named_with_its_declaration(
    read: Callable[..., Reading], content: bytes, file: str, expected: str
) -> None:
    reading = read(content, file=file)
    assert reading.rows is None
    assert expected in reading.message
    assert "(1 violation)" in reading.message


def test_bytes_of_a_different_encoding_are_named_by_their_cells(
    read: Callable[..., Reading],
) -> None:
    lines = read(STRICT.encode("cp1252")).message.splitlines()
    assert lines[0].startswith("month/users.csv:2 column 'user_id': expected text in UTF-8, got ")
    assert lines[1].startswith("month/users.csv:3 column 'note': expected text in UTF-8, got ")
    assert lines[3].endswith('in [files.users] of the catalog: encoding = "windows-1252")')
    # The byte 0x81 is no character of Windows-1252.
    undefined = STRICT.encode("cp1252").replace(b"\xe4", b"\x81")
    assert read(undefined, 'encoding = "windows-1252"').message.splitlines()[0] == (
        "month/users.csv:2 column 'user_id': expected text in windows-1252, "
        "got bytes that are not windows-1252"
    )


def test_a_cell_that_says_not_utf8_advises_no_encoding(read: Callable[..., Reading]) -> None:
    message = read(STRICT.replace("0.1", "not UTF-8").encode()).message
    assert "expected a finite number, got 'not UTF-8'" in message
    assert "windows-1252" not in message


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (change(1, lambda cell: cell.replace(".", ",")), 'decimal = ","'),
        (change(3, lambda cell: {"True": "yes", "False": "no"}[cell]), 'true = ["yes"], false = '),
        (change(2, "{}.0".format), "whole_floats = true"),
        (change(1, lambda _: "N/A"), 'nulls = ["N/A"]'),
        (change(4, lambda cell: cell.replace("-", "/")), 'dates = "YYYY/MM/DD"'),
    ],
)  # fmt: skip
def test_cells_in_an_undeclared_format_are_named_with_the_declaration(
    read: Callable[..., Reading], rows: list[list[Any]], expected: str
) -> None:
    reading = read(csv_text(rows, "|").encode(), 'separator = "|"')
    assert f"(users.csv: to read it, try in [files.users] of the catalog: {expected}" in (
        reading.message
    )


def test_few_foreign_cells_are_no_reason_to_advise_what_loses_the_others(
    read: Callable[..., Reading],
) -> None:
    rows = [
        ROWS[0],
        *([f"u{n}", "1.5", *ROWS[1][2:]] for n in range(50)),
        ["z", "1|5", *ROWS[1][2:]],
    ]
    text = csv_text(rows, "\t").replace("1|5", "1,5")
    reading = read(text.encode(), 'separator = "\\t"')
    assert reading.message.splitlines() == [
        "month/users.csv:52 column 'fee': expected a finite number, got '1,5'",
        "(1 violation)",
    ]


@pytest.mark.parametrize(
    ("cell", "is_read"),
    [("1.5", False), ("1.234", True), ("1.23,5", False), ("1,5", True), ("1,234.5", False)],
)
def test_a_number_of_a_different_format_is_never_read_as_a_different_value(
    read: Callable[..., Reading], cell: str, *, is_read: bool
) -> None:
    text = csv_text([ROWS[0], ["a", cell, *ROWS[1][2:]]], "|")
    reading = read(text.encode(), 'separator = "|"\ndecimal = ","\nthousands = "."')
    assert (reading.rows is not None) == is_read
    assert is_read or f"got '{cell}'" in reading.message


@pytest.mark.parametrize("name", ["nanoseconds", "list", "large"])
def test_what_parquet_holds_and_a_cell_cannot_is_a_violation(
    read: Callable[..., Reading], name: str
) -> None:
    rows = pa.table(typed_rows())
    if name == "nanoseconds":
        instants = pa.array([1, None, 2], pa.timestamp("ns"))
        table = rows.set_column(5, "seen", instants)
        expected = (
            "month/users.parquet row 1 column 'seen': expected an instant YYYY-MM-DD HH:MM:SS"
        )
    elif name == "list":
        table = rows.set_column(6, "note", pa.array([["a"], [], None]))
        expected = "column 'note': expected text, numbers, bools, dates or instants, got values of "
    else:
        table = rows.set_column(2, "visits", pa.array([1, 2, 2**63], pa.uint64()))
        expected = "month/users.parquet row 3 column 'visits': expected a whole number of 64 bits"
    assert expected in read(parquet(table), file="users.parquet").message


@pytest.mark.parametrize("file", ["users.csv.gz", "users.parquet", "users.xlsx"])
@pytest.mark.parametrize("cut", [1, 200, 700])
def test_a_damaged_file_is_refused(read: Callable[..., Reading], file: str, cut: int) -> None:
    table = parquet(pa.table(typed_rows()))
    whole = {"csv.gz": gzip.compress(STRICT.encode()), "parquet": table, "xlsx": excel()}
    content = whole[file.split(".", 1)[1]]
    reading = read(content[: -min(cut, len(content) // 2)], file=file)
    assert reading.rows is None
    assert file in reading.message


def test_a_file_that_is_not_what_its_name_says_is_one_violation(
    read: Callable[..., Reading],
) -> None:
    for file, noun in (("users.xlsx", "Excel"), ("users.parquet", "Parquet")):
        lines = read(STRICT.encode(), file=file).message.splitlines()
        assert lines[0].startswith(f"month/{file}: expected a file of {noun}, got a file that is ")
        assert lines[1:] == ["(1 violation)"]


def test_stray_quotes_of_a_different_format_do_not_hide_its_header(
    read: Callable[..., Reading],
) -> None:
    """A cell that is not closed with the advised separator, and longer than a cell may be."""
    rows = [*ROWS[:2], ["x", *ROWS[1][1:6], '"'], *([f"u{n}", *ROWS[1][1:]] for n in range(9_000))]
    message = read(csv_text(rows, ";").encode()).message
    assert '(declare separator = ";" in [files.users])' in message


def test_columns_to_leave_out_are_advised_in_the_declared_format(
    read: Callable[..., Reading],
) -> None:
    text = csv_text([[*row, cell] for row, cell in zip(ROWS, "rxyz", strict=True)], ";")
    message = read(text.encode(), 'separator = ";"').message
    assert message.splitlines()[2] == (
        '(users.csv: to read it, try in [files.users] of the catalog: ignore = ["r"])'
    )


def test_a_formula_without_a_result_is_refused(read: Callable[..., Reading]) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(excel()))
    workbook.active["B3"] = "=1+1"
    buffer = io.BytesIO()
    workbook.save(buffer)
    message = read(buffer.getvalue(), file="users.xlsx").message
    assert "cell B3: expected a value, got a formula whose result was never saved" in message


def test_a_formula_whose_result_is_an_empty_text_is_an_empty_cell(
    read: Callable[..., Reading],
) -> None:
    expected = read(excel(), file="users.xlsx").rows
    rows = read(with_empty_text(excel(), "G2"), file="users.xlsx").rows
    assert rows is not None
    assert expected is not None
    assert rows["note"].to_list() == [None, "€", None]
    assert rows.drop("note").equals(expected.drop("note"))


def test_a_far_cell_of_excel_costs_no_memory(read: Callable[..., Reading]) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(excel()))
    workbook.active["XFD4"] = 1
    buffer = io.BytesIO()
    workbook.save(buffer)
    message = read(buffer.getvalue(), file="users.xlsx").message
    assert "month/users.xlsx row 4: expected 7 cells, got 16384" in message


def test_an_archive_that_unpacks_to_too_much_is_refused(
    read: Callable[..., Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamflow.files.excel_files.MAX_UNPACKED_BYTES", 1 << 10)
    assert "MiB when it is unpacked" in read(excel(), file="users.xlsx").message


@pytest.mark.parametrize("file", ["USERS.CSV", "users.tsv", "users.tsv.gz"])
def test_a_file_of_a_different_name_is_named_with_its_declaration(
    read: Callable[..., Reading], tmp_path: Path, file: str
) -> None:
    read(STRICT.encode())
    folder = tmp_path / "month"
    (folder / "users.csv").rename(folder / file)
    with pytest.raises(ContractViolation, match=rf'file = "{file}" in \[tables.users\]'):
        find_delivered_tables(folder, make_catalog())


def test_a_reading_has_a_digest_of_its_own() -> None:
    """The same bytes are loaded again when the declared format changes."""
    readings = {
        make_catalog(declared, fee=fee).reading("users")
        for declared in ("", "trim = true", 'nulls = ["-"]')
        for fee in ("", ', header = "Fee"')
    }
    assert len(readings) == 6
    assert make_catalog().reading("users") == ""
    assert {make_catalog(d).digest for d in ("", "trim = true")} == {make_catalog().digest}


@pytest.mark.parametrize("key", [" ä-1", "ä-1\u00a0", "ä-1\u200b", "\ufeffä-1"])
def test_a_key_with_an_end_that_nobody_sees_is_shown(
    read: Callable[..., Reading], key: str
) -> None:
    text = STRICT.replace("ä-1", key)
    reading = read(text.encode())
    assert reading.drop is not None
    assert reading.drop.warnings[0].startswith("1 key of users.csv with a blank or a character of ")
    assert ascii(key) in reading.drop.warnings[0]
    is_blank = key.strip() == "ä-1"
    trimmed = read(text.encode(), "trim = true")
    assert trimmed.drop is not None
    assert bool(trimmed.drop.warnings) != is_blank


@pytest.mark.parametrize("file", ["users.xlsx", "users.parquet"])
def test_a_bad_row_of_a_typed_file_is_named_and_rejected_by_its_row(
    read: Callable[..., Reading], tmp_path: Path, file: str
) -> None:
    """Excel shows the row of the sheet: after a title and an empty row it is no count of rows."""
    if file == "users.xlsx":
        workbook = openpyxl.load_workbook(io.BytesIO(excel(title="Report")))
        workbook.active.insert_rows(4)
        workbook.active["C5"] = 1.5
        buffer = io.BytesIO()
        workbook.save(buffer)
        content, declared, row = buffer.getvalue(), "skip_lines = 1", 5
    else:
        table = pa.table({**typed_rows(), "visits": [3.0, 1.5, 7.0]})
        content, declared, row = parquet(table), "whole_floats = true", 2
    reading = read(content, declared, file=file)
    assert reading.message.splitlines()[0] == (
        f"month/{file} row {row} column 'visits': expected a whole number of 64 bits, got '1.5'"
    )
    assert reading.drop is not None
    rejects = list_rejects(reading.drop.violations, reading.drop.keys, key="user_id")
    catalog = make_catalog(declared, file=file)
    described = describe_rejects(tmp_path / "month", catalog, rejects)
    assert [(reject.line, reject.key) for reject in described] == [(row, "b-2")]
    assert json.loads(described[0].cells)["visits"] == "1.5"


def test_a_violation_of_a_table_that_is_not_in_the_folder_gets_no_advice(tmp_path: Path) -> None:
    """The labels were delivered before: their keys must fit the new users, and stay nameless."""
    folder = tmp_path / "month"
    folder.mkdir()
    (folder / "users.csv").write_text(STRICT, encoding="utf-8")
    catalog = make_catalog()
    labels = pl.DataFrame({"user_id": ["gone"], "row": [0]})
    with ExitStack() as closing:
        drop = read_drop(
            folder,
            catalog,
            inspect_files(folder, catalog, ("users",)),
            {"labels": labels},
            as_of=datetime(2024, 1, 31, tzinfo=UTC),
            space=tmp_path,
            closing=closing,
            notify=lambda _: None,
        )
    assert make_violation_error(folder, catalog, drop.violations).message.splitlines() == [
        "month/labels.csv column 'user_id': expected a key that users.csv holds, got 'gone'",
        "(1 violation)",
    ]
