"""Read the file of a table, whatever its kind: its header, its rows in batches, some records.

`ingest` and `init` read files with this module alone, so that a catalog that `init` guesses reads
what `init` saw. All cells are text. Which kind a file is follows from the ending of its name.

Rows are counted from 0, without the header. The line of a record is the number that a person finds
in the file: the line of a text file, the row of a sheet, the row of a Parquet file from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog.file_format import STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import EXCEL, PARQUET, kind_of
from streamflow.files import csv_batches, csv_files, excel_files, parquet_files
from streamflow.files.csv_files import FileBytes, Record
from streamflow.files.text_source import naming_damage


def inspect_file(path: Path, file_format: FileFormat = STRICT_CSV) -> FileBytes:
    """Describe the bytes of a file: its size and digest, and what its text needs to be read.

    Raises:
        OSError: the file cannot be read.
        ContractViolation: a compressed file is damaged.
    """
    kind = kind_of(path.name)
    if kind.is_text:
        with naming_damage(path):
            return csv_files.inspect_bytes(path, file_format)
    has_rows = kind == PARQUET and not parquet_files.find_problem(path)
    return FileBytes(
        sha256=csv_files.hash_bytes(path),
        size=path.stat().st_size,
        lines=parquet_files.count_rows(path) + 1 if has_rows else 0,
        longest_line=0,
        has_quotes=False,
        is_text=True,
    )


def find_problem(path: Path, file_format: FileFormat = STRICT_CSV) -> str:
    """Return why the file is not of the kind that its name says; an empty text when it is."""
    kind = kind_of(path.name)
    if kind == PARQUET:
        return parquet_files.find_problem(path)
    if kind == EXCEL:
        return excel_files.find_problem(path, file_format)
    return ""


def read_header(path: Path, file_format: FileFormat = STRICT_CSV) -> list[str]:
    """Return the headers of all columns in order, also of those that the format ignores.

    Blanks around them are removed if the format says so. An empty file has an empty list.
    """
    kind = kind_of(path.name)
    if kind == PARQUET:
        return parquet_files.read_header(path, file_format)
    if kind == EXCEL:
        return excel_files.read_header(path, file_format)
    with naming_damage(path):
        return csv_files.read_header(path, file_format)


def read_headers(path: Path, file_format: FileFormat = STRICT_CSV) -> list[str]:
    """Return the headers of the columns that are read: those that the format does not ignore.

    If the rows are numbered, the number of the row is the last column.
    """
    headers = [name for name in read_header(path, file_format) if name not in file_format.ignore]
    return [*headers, str(file_format.key_header)] if file_format.number_rows else headers


def add_row_numbers(rows: NDArray[np.int64], cells: pl.DataFrame, name: str) -> pl.DataFrame:
    """Add the numbers of the rows as a column of text, from 1."""
    return cells.with_columns(pl.Series(name, rows + 1).cast(pl.String))


def read_batches(
    path: Path,
    file_format: FileFormat,
    ragged: dict[int, int],
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Read the rows of a file, batch by batch.

    Args:
        ragged: Row number -> number of its cells. Rows with too many or too few cells are left out
            of the batches and added here.

    Yields:
        The numbers of the rows, shape (n,), and the rows with all cells as text, in columns named
        by the headers of `read_headers`. The text is what the file holds, with its own decimal
        signs and words: `core/data/cell_forms.py` reads it. A cell that is empty is null.

    Raises:
        ContractViolation: the file is damaged.
    """
    for rows, cells in _read_batches(path, file_format, ragged):
        if file_format.number_rows:
            yield rows, add_row_numbers(rows, cells, str(file_format.key_header))
        else:
            yield rows, cells


def _read_batches(
    path: Path,
    file_format: FileFormat,
    ragged: dict[int, int],
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Read the rows of a file with the columns that it holds."""
    kind = kind_of(path.name)
    if kind == PARQUET:
        yield from parquet_files.read_batches(path, file_format)
    elif kind == EXCEL:
        yield from excel_files.read_batches(path, ragged, file_format)
    else:
        with naming_damage(path):
            yield from csv_batches.read_batches(path, ragged, file_format)


def read_records(
    path: Path,
    rows: Collection[int],
    file_format: FileFormat = STRICT_CSV,
) -> dict[int, Record]:
    """Read the records of these rows, by row number, with the cells of all columns."""
    kind = kind_of(path.name)
    if kind == PARQUET:
        return parquet_files.read_records(path, rows, file_format)
    if kind == EXCEL:
        return excel_files.read_records(path, rows, file_format)
    with naming_damage(path):
        return csv_files.read_records(path, rows, file_format)
