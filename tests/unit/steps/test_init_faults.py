"""Files that `init` once could not read: it names the file, and says what to do."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from streamflow.errors import CatalogInvalid
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
