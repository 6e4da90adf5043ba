"""Read a sheet of an Excel file in batches, with every cell as text.

An .xlsx file is a zip archive of XML. openpyxl reads it as a stream, except for the texts that
cells share. So the size of the unpacked archive bounds the memory, and `find_problem` limits it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog.file_format import FileFormat
from streamflow.errors import ContractViolation
from streamflow.files.csv_files import HEADER_ROW, Record, trim_header
from streamflow.files.zip_errors import ZIP_ERRORS

MAX_UNPACKED_BYTES = 512 << 20
MAX_ROWS = 1_048_576  # Excel's own limit
MAX_COLUMNS = 16_384  # Excel's own limit
BATCH_ROWS = 5_000
MAX_WHOLE_FLOAT = 1e15  # below it, a whole number of Excel has all its digits
CHUNK = 1 << 20
FORMULA = re.compile(rb"<(\w+:)?f[\s/>]")
EMPTY_TEXT = "str"  # the type of a cell whose formula gave an empty text: it has no value
LONGEST_TAG = 64  # bytes that two chunks share, so that no formula's tag is cut
SheetRows = Generator[tuple[int, list[str | None]], None, None]

# What openpyxl and the libraries below it raise for a file that is damaged.
LIBRARY_ERRORS = (*ZIP_ERRORS, TypeError, LookupError, AttributeError, SyntaxError)


def find_problem(path: Path, file_format: FileFormat) -> str:
    """Return why no sheet of the file can be read; an empty text when one can."""
    if problem := find_archive_problem(path):
        return problem
    with naming_damage(path), open_workbook(path) as workbook:
        names = [sheet.title for sheet in workbook.worksheets]
        visible = [s.title for s in workbook.worksheets if s.sheet_state == "visible"]
    quoted = ", ".join(map(repr, names))
    if file_format.sheet is None and len(visible) != 1:
        return f"{len(visible)} visible sheets (declare one of them as sheet: {quoted})"
    if file_format.sheet is not None and file_format.sheet not in names:
        return f"no sheet {file_format.sheet!r} (its sheets are {quoted})"
    return ""


def find_archive_problem(path: Path) -> str:
    """Return why the archive cannot be unpacked; an empty text when it can."""
    try:
        with ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except ZIP_ERRORS:
        return "a file that is not Excel's .xlsx, or is damaged, or has a password"
    if size > MAX_UNPACKED_BYTES:
        limit = MAX_UNPACKED_BYTES >> 20
        return f"{size >> 20:,} MiB when it is unpacked, of at most {limit} (export it as CSV)"
    return ""


def read_header(path: Path, file_format: FileFormat) -> list[str]:
    """Return the headers of all columns, in order; an empty list when the sheet is empty."""
    with naming_damage(path), closing(_read_rows(path, file_format)) as rows:
        for _, cells in rows:
            return _header_of(cells, file_format)
    return []


def read_batches(
    path: Path, ragged: dict[int, int], file_format: FileFormat
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Yield the numbers of the rows and the rows with all cells as text, as `csv_batches` does.

    A row that is empty has a number, but it is left out.
    """
    with naming_damage(path), closing(_read_rows(path, file_format)) as rows:
        header_number, header_cells = next(rows, (0, []))
        header = _header_of(header_cells, file_format)
        numbers: list[int] = []
        batch: list[Sequence[str | None]] = []
        for sheet_row, cells in rows:
            number = sheet_row - header_number - 1
            if len(cells) > len(header):
                ragged[number] = len(cells)
                continue
            numbers.append(number)
            batch.append([*cells, *[None] * (len(header) - len(cells))])
            if len(batch) == BATCH_ROWS:
                yield _make_frame(numbers, batch, header, file_format)
                numbers, batch = [], []
        if batch:
            yield _make_frame(numbers, batch, header, file_format)


def read_records(path: Path, rows: Collection[int], file_format: FileFormat) -> dict[int, Record]:
    """Read the records of these rows, by row number. A record's line is its row in the sheet."""
    row_numbers = set(rows)
    last_row = max(rows, default=HEADER_ROW)
    records = {}
    with naming_damage(path), closing(_read_rows(path, file_format)) as sheet_rows:
        header_number = None
        for sheet_row, cells in sheet_rows:
            header_number = sheet_row if header_number is None else header_number
            number = sheet_row - header_number + HEADER_ROW
            if number > last_row:
                break
            if number in row_numbers:
                records[number] = Record(line=sheet_row, cells=[cell or "" for cell in cells])
    return records


def _make_frame(
    numbers: list[int],
    batch: list[Sequence[str | None]],
    header: list[str],
    file_format: FileFormat,
) -> tuple[NDArray[np.int64], pl.DataFrame]:
    """Return the row numbers and a frame of the columns that are read."""
    columns = {
        name: pl.Series(name, [row[position] for row in batch], dtype=pl.String)
        for position, name in enumerate(header)
        if name not in file_format.ignore
    }
    return np.array(numbers, dtype=np.int64), pl.DataFrame(columns)


def _header_of(cells: Sequence[str | None], file_format: FileFormat) -> list[str]:
    return trim_header([cell or "" for cell in cells], file_format)


def _read_rows(path: Path, file_format: FileFormat) -> SheetRows:
    """Yield, from the header on, the number of each row in the sheet and its cells.

    The cells end with the last one that is filled.

    Raises:
        ContractViolation: a formula has no saved value.
    """
    with open_workbook(path) as workbook:
        sheet = _choose_sheet(workbook, file_format)
        formulas = _read_formulas(path, file_format) if _has_formulas(path) else None
        for number, row in enumerate(_iterate(sheet), 1):
            _require_limits(path, number, row)
            formula_cells = next(formulas) if formulas else ()
            _require_results(path, number, row, formula_cells)
            cells = [_write_cell(cell.value, file_format) for cell in row]
            while cells and cells[-1] is None:
                cells.pop()
            if cells and number > file_format.skip_lines:
                yield number, cells


def _iterate(sheet: Any) -> Iterator[Sequence[Any]]:
    """Yield the rows of a sheet. Its own word for how large it is may be wrong."""
    sheet.reset_dimensions()
    rows = sheet.iter_rows()
    while True:
        with _without_warnings():
            row = next(rows, None)
        if row is None:
            return
        yield row


def _read_formulas(path: Path, file_format: FileFormat) -> Iterator[Sequence[Any]]:
    """Yield the cells of each row as formulas."""
    with open_workbook(path, results=False) as workbook:
        yield from _iterate(_choose_sheet(workbook, file_format))


def _has_formulas(path: Path) -> bool:
    """Return whether a sheet of the archive has a formula."""
    with ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            with archive.open(name) as stream:
                tail = b""
                while chunk := stream.read(CHUNK):
                    if FORMULA.search(tail + chunk):
                        return True
                    tail = chunk[-LONGEST_TAG:]
    return False


def _require_limits(path: Path, number: int, row: Sequence[Any]) -> None:
    """Refuse a sheet that is larger than a sheet of Excel."""
    if number > MAX_ROWS or len(row) > MAX_COLUMNS:
        raise ContractViolation(
            f"{path}: row {number:,} of the sheet lies outside the limits of Excel",
            remedy="save the file again, or export it as CSV.",
        )


def _require_results(
    path: Path, number: int, result_cells: Sequence[Any], formula_cells: Sequence[Any]
) -> None:
    """Refuse a formula without a result: an empty cell would hide a value."""
    for result, formula in zip(result_cells, formula_cells, strict=False):
        has_result = result.value is not None or result.data_type == EMPTY_TEXT
        if formula.data_type == "f" and not has_result:
            raise ContractViolation(
                f"{path}: row {number} cell {formula.coordinate}: expected a value, got a formula "
                "whose result was never saved",
                remedy="open the file in Excel, save it, and run 'streamflow ingest' again.",
            )


def _write_cell(value: Any, file_format: FileFormat) -> str | None:
    """Return a value of a sheet as the text that a CSV file would hold.

    Excel keeps all numbers as floats: a whole one is written without a fraction. It keeps a date
    as the instant of its midnight, which is written as a date.
    """
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, float):
        is_whole = value.is_integer() and abs(value) < MAX_WHOLE_FLOAT
        text = str(int(value)) if is_whole else repr(value)
        return text.replace(".", file_format.decimal)
    if isinstance(value, datetime):
        is_date = value.time() == time()
        return value.date().isoformat() if is_date else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _choose_sheet(workbook: Any, file_format: FileFormat) -> Any:
    """Return the declared sheet, or the only visible one."""
    if file_format.sheet is not None:
        return workbook[file_format.sheet]
    return next(sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible")


@contextmanager
def open_workbook(path: Path, *, results: bool = True) -> Iterator[Any]:
    """Open a file to read it as a stream, with the results of formulas or the formulas."""
    import openpyxl

    with path.open("rb") as stream:
        with _without_warnings():
            workbook = openpyxl.load_workbook(
                stream, read_only=True, data_only=results, keep_links=False
            )
        with closing(workbook):
            yield workbook


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out that openpyxl warns of what it does not read, such as styles and validations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Raise ContractViolation where the file turns out to be damaged."""
    try:
        yield
    except LIBRARY_ERRORS as exc:
        raise ContractViolation(
            f"{path}: the file cannot be read as Excel: {exc}",
            remedy="save the file again and run 'streamflow ingest' again.",
        ) from exc
