"""Read Parquet files in batches, with every cell as text."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog.file_format import FileFormat
from streamflow.errors import ContractViolation
from streamflow.files.csv_files import Record, trim_header
from streamflow.files.typed_cells import write_cells

if TYPE_CHECKING:
    import pyarrow.parquet as pq

BATCH_ROWS = 50_000  # rows in memory at a time


def find_problem(path: Path) -> str:
    """Return why the file is no Parquet file; an empty text when it is one."""
    import pyarrow as pa

    try:
        with _open(path):
            return ""
    except (pa.ArrowException, OSError) as exc:
        return f"a file that is not Parquet, or is damaged ({_first_line(exc)})"


def count_rows(path: Path) -> int:
    """Return the number of rows that the file says it has."""
    with _naming_damage(path), _open(path) as file:
        return int(file.metadata.num_rows)


def read_header(path: Path, file_format: FileFormat) -> list[str]:
    """Return the names of all columns, in order."""
    with _naming_damage(path), _open(path) as file:
        return trim_header(list(map(str, file.schema_arrow.names)), file_format)


def find_types_without_text(path: Path, file_format: FileFormat) -> list[tuple[str, str]]:
    """Return (column, type) of each column that is read and whose values are no cells of text."""
    with _naming_damage(path), _open(path) as file:
        names = trim_header(list(file.schema_arrow.names), file_format)
        types = [_value_type(field.type) for field in file.schema_arrow]
    return [
        (name, str(arrow_type))
        for name, arrow_type in zip(names, types, strict=True)
        if name not in file_format.ignore and not _has_text(arrow_type)
    ]


def read_batches(
    path: Path,
    file_format: FileFormat,
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Yield the numbers of the rows, from 0, and the rows with all cells as text."""
    next_row = 0
    with _naming_damage(path), _open(path) as file:
        names = trim_header(list(file.schema_arrow.names), file_format)
        positions = [i for i, name in enumerate(names) if name not in file_format.ignore]
        columns = [file.schema_arrow.names[position] for position in positions]
        for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
            # polars takes the bytes of a text as they are: they must be UTF-8.
            batch.validate(full=True)
            frame = pl.from_arrow(batch.select(columns))
            assert isinstance(frame, pl.DataFrame)
            text = []
            for position, values in zip(positions, frame, strict=True):
                cells = write_cells(values, file_format)
                text.append(cells.alias(names[position]))
            end = next_row + len(frame)
            yield np.arange(next_row, end), pl.DataFrame(text)
            next_row = end


def read_records(path: Path, rows: Collection[int], file_format: FileFormat) -> dict[int, Record]:
    """Read the records of these rows, by row number. A record's line is its row, from 1.

    A record has one cell for each name of the header; those of ignored columns are empty.
    """
    records: dict[int, Record] = {}
    last_row = max(rows, default=-1)
    if last_row < 0:
        return records
    header = read_header(path, file_format)
    for numbers, frame in read_batches(path, file_format):
        first = int(numbers[0]) if len(numbers) else 0
        if first > last_row:
            break
        for row in sorted(row for row in rows if first <= row < first + len(frame)):
            values = frame.row(row - first, named=True)
            cells = [values.get(name) or "" for name in header]
            records[row] = Record(line=row + 1, cells=cells)
    return records


def _open(path: Path) -> pq.ParquetFile:
    """Open a file. Its columns are read in parts, so that memory does not grow with the file."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Raise ContractViolation where the file turns out to be damaged."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as exc:
        raise ContractViolation(
            f"{path}: the file cannot be read as Parquet: {_first_line(exc)}",
            remedy="write the file again and run 'streamflow ingest' again.",
        ) from exc


def _first_line(error: Exception) -> str:
    """Return the first line of a library's message."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _value_type(arrow_type: Any) -> Any:
    """Return the type of a column's values; a dictionary is the type of its entries."""
    import pyarrow as pa

    return arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type


def _has_text(arrow_type: Any) -> bool:
    """Return whether each value of a type can be written as a cell of text."""
    from pyarrow import types

    checks = (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_boolean,
        types.is_integer,
        types.is_float32,
        types.is_float64,
        types.is_decimal32,
        types.is_decimal64,
        types.is_decimal128,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )
    return any(check(arrow_type) for check in checks)
