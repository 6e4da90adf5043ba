"""Read CSV files: their bytes, their cells as text in batches, and the records of an error.

Rows are counted as records from 0. The header is row -1. An empty line is not a record.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyarrow import csv as arrow_csv

CHUNK = 1 << 20  # bytes read at a time
BLOCK = 8 << 20  # bytes of text in one batch: this bounds the memory of a read
BOM = codecs.BOM_UTF8.decode()


@dataclass(frozen=True, kw_only=True)
class FileBytes:
    """What the bytes of a file tell before they are read as CSV.

    Attributes:
        size: The number of bytes.
        lines: The number of line feeds.
        is_text: Whether the file is UTF-8 without a NUL byte.
    """

    sha256: str
    size: int
    lines: int
    is_text: bool


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record of a CSV file: the cells of one row.

    Attributes:
        line: The number of its first line in the file, from 1.
        cells: The cells of the record, as text.
    """

    line: int
    cells: list[str]


def inspect_bytes(path: Path) -> FileBytes:
    """Read the bytes of a file once, and describe them. Raises OSError."""
    digest = sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    lines = 0
    is_text = True
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
            is_text = is_text and b"\0" not in chunk and _can_decode(decoder, chunk)
    # The file must not end within a character.
    is_text = is_text and _can_decode(decoder, b"", final=True)
    return FileBytes(sha256=digest.hexdigest(), size=size, lines=lines, is_text=is_text)


def _can_decode(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    """Feed the decoder with a chunk, and return whether it was valid."""
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def read_header(path: Path) -> list[str]:
    """Read the names in the first record, with a byte order mark if there is one.

    An empty file has an empty list.
    """
    for _, record in _read_records(path):
        return record.cells
    return []


def read_batches(
    path: Path,
    ragged: dict[int, int],
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Read the rows of a text file, batch by batch.

    Args:
        ragged: Row number -> number of its cells. Rows with too many or too few cells are left out
            of the batches and added here.

    Yields:
        The numbers of the rows, shape (n,), and the rows with all cells as text. A cell that is
        empty is null.
    """
    reader = _open_reader(path, ragged)
    next_row = 0
    for batch in reader:
        numbers = _number_rows(next_row, batch.num_rows, ragged)
        if len(numbers):
            next_row = int(numbers[-1]) + 1
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield numbers, frame


def _open_reader(path: Path, ragged: dict[int, int]) -> arrow_csv.CSVStreamingReader:
    """Open a streaming reader that gives every cell as text and notes the ragged rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    def note_ragged(row: Any) -> str:
        # Arrow counts records from 1, the header included.
        ragged[row.number - 2] = row.actual_columns
        return "skip"

    names = read_header(path)
    return arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK),
        parse_options=arrow_csv.ParseOptions(
            newlines_in_values=True,
            invalid_row_handler=note_ragged,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _number_rows(first: int, count: int, ragged: Collection[int]) -> NDArray[np.int64]:
    """Number the next `count` rows from `first` on, and pass over the numbers in `ragged`.

    >>> _number_rows(5, 3, {6: 1, 7: 1, 90: 1}).tolist()
    [5, 8, 9]
    """
    skipped = np.array(sorted(row for row in ragged if row >= first), dtype=np.int64)
    candidates = np.arange(first, first + count + len(skipped))
    return np.setdiff1d(candidates, skipped)[:count]


def read_records(path: Path, rows: Collection[int]) -> dict[int, Record]:
    """Read the records of these rows, by row number.

    Bytes that are not UTF-8 become lone surrogates.
    """
    row_numbers = set(rows)
    last_row = max(rows, default=-2)
    records_by_row = {}
    for row, record in _read_records(path):
        if row > last_row:
            break
        if row in row_numbers:
            records_by_row[row] = record
    return records_by_row


def find_undecodable_cells(path: Path) -> Iterator[tuple[int, int, str]]:
    """Find each cell that holds a NUL byte or bytes that are not UTF-8.

    Yields:
        The row, the position of the cell in the row from 0, and what the cell holds, in words.
    """
    for row, record in _read_records(path):
        for position, cell in enumerate(record.cells):
            if "\0" in cell:
                yield row, position, "a NUL byte"
            elif any("\ud800" <= character <= "\udfff" for character in cell):
                yield row, position, "bytes that are not UTF-8 (is it Latin-1?)"


def _read_records(path: Path) -> Iterator[tuple[int, Record]]:
    """Read every record with its row number, from the header (-1) on."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream)
        row = -1
        line = 1
        for cells in reader:
            if cells:
                yield row, Record(line=line, cells=cells)
                row += 1
            line = reader.line_num + 1
