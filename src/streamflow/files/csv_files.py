"""CSV files in: their bytes, their text cells in batches, and the records that an error has to name.

Rows are counted as records from 0, the header being row -1; an empty line is no record.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

CHUNK = 1 << 20  # bytes read at a time
BLOCK = 8 << 20  # bytes of text in one batch: what bounds the memory of a read
BOM = codecs.BOM_UTF8.decode()


@dataclass(frozen=True, kw_only=True)
class FileBytes:
    """What the bytes of a file tell before they are read as CSV."""

    sha256: str
    size: int
    lines: int
    is_text: bool  # UTF-8 without NUL


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record: its first physical line, from 1, and its cells."""

    line: int
    cells: list[str]


def inspect(path: Path) -> FileBytes:
    """Read the bytes once. Raises OSError."""
    digest, decoder = sha256(), codecs.getincrementaldecoder("utf-8")()
    size = lines = 0
    is_text = True
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size, lines = size + len(chunk), lines + chunk.count(b"\n")
            is_text = is_text and b"\0" not in chunk and _decodes(decoder, chunk)
    is_text = is_text and _decodes(decoder, b"", final=True)
    return FileBytes(sha256=digest.hexdigest(), size=size, lines=lines, is_text=is_text)


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def read_header(path: Path) -> list[str]:
    """The names in the first record, a byte order mark included; empty when the file is."""
    return next((record.cells for _, record in _records(path)), [])


def read_batches(
    path: Path, ragged: dict[int, int]
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """The rows of a file that is text: (their numbers, all cells as text with a null where one is empty), batch by batch.

    A row with too many or too few cells is left out and noted in `ragged`: row -> number of its cells.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    def note(row: Any) -> str:
        ragged[row.number - 2] = (
            row.actual_columns
        )  # Arrow counts records from 1, the header included
        return "skip"

    names = read_header(path)
    reader = arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    row = 0
    for batch in reader:
        numbers = _numbers(row, batch.num_rows, ragged)
        row = int(numbers[-1]) + 1 if len(numbers) else row
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield numbers, frame


def _numbers(first: int, count: int, ragged: Collection[int]) -> NDArray[np.int64]:
    """The numbers of the next `count` rows from `first` on, those in `ragged` passed over.

    >>> _numbers(5, 3, {6: 1, 7: 1, 90: 1}).tolist()
    [5, 8, 9]
    """
    skipped = np.array(sorted(r for r in ragged if r >= first), dtype=np.int64)
    candidates = np.arange(first, first + count + len(skipped))
    return np.setdiff1d(candidates, skipped)[:count]


def records(path: Path, rows: Collection[int]) -> dict[int, Record]:
    """The records of these rows; bytes that are not UTF-8 become lone surrogates."""
    wanted, last = set(rows), max(rows, default=-2)
    found = {}
    for row, record in _records(path):
        if row > last:
            break
        if row in wanted:
            found[row] = record
    return found


def spoiled_cells(path: Path) -> Iterator[tuple[int, int, str]]:
    """Each cell that holds a NUL or bytes that are not UTF-8: (row, position in the row, what it holds)."""
    for row, record in _records(path):
        for position, cell in enumerate(record.cells):
            if "\0" in cell:
                yield row, position, "a NUL byte"
            elif any("\ud800" <= character <= "\udfff" for character in cell):
                yield row, position, "bytes that are not UTF-8 (is it Latin-1?)"


def _records(path: Path) -> Iterator[tuple[int, Record]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream)
        row, line = -1, 1
        for cells in reader:
            if cells:
                yield row, Record(line=line, cells=cells)
                row += 1
            line = reader.line_num + 1
