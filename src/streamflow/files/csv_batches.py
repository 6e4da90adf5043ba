"""Read the rows of a CSV file in batches, with every cell as text.

Rows are counted as records from 0. An empty line is not a record. The file is cut into blocks at
the ends of records, and Arrow reads each block by itself. Arrow's own way to cut a file loses a
line feed within quotes (https://github.com/apache/arrow/issues/51368), and it fails where a block
ends between two quotes.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog.file_format import STRICT_CSV, FileFormat
from streamflow.files.csv_files import MAX_RECORD_TEXT, Lines, measure_header
from streamflow.files.text_source import BOM_BYTES, open_text, open_utf8

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 8 << 20  # bytes of text in one batch: this bounds the memory of a read


def read_batches(
    path: Path,
    ragged: dict[int, int],
    file_format: FileFormat = STRICT_CSV,
    *,
    block_size: int = BLOCK,
) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
    """Read the rows of a text file, batch by batch.

    Args:
        ragged: Row number -> number of its cells. Rows with too many or too few cells are left out
            of the batches and added here.
        block_size: The bytes of a batch, about. No cell depends on it.

    Yields:
        The numbers of the rows, shape (n,), and the rows with all cells as text, in columns that
        have the names of the header, without those that the format ignores. A cell that is empty
        is null.
    """
    header, start = measure_header(path, file_format)
    next_row = 0
    for block in _split_at_records(path, file_format, start, block_size):
        block_ragged: dict[int, int] = {}
        frame = _parse_plain_block(block, header, file_format)
        if frame is None:
            parsed = pl.from_arrow(_parse_block(block, header, file_format, block_ragged))
            assert isinstance(parsed, pl.DataFrame)
            frame = parsed
        numbers = next_row + _number_rows(len(frame), block_ragged)
        ragged.update({next_row + row: count for row, count in block_ragged.items()})
        next_row += len(frame) + len(block_ragged)
        yield numbers, frame


def _split_at_records(
    path: Path,
    file_format: FileFormat,
    start: int,
    block_size: int,
) -> Iterator[bytes]:
    """Split the text of a file, from the byte `start` on, into blocks of whole records.

    Before the first quote of a file, each line is a record. From there on, Python's csv module
    tells where a record ends.
    """
    position = start
    buffer = bytearray(block_size)
    filled = 0  # the bytes of a record that has begun
    with open_utf8(path, file_format, start=start) as stream:
        while True:
            filled += stream.readinto(memoryview(buffer)[filled:])
            is_last = filled < block_size
            end = filled if is_last else _last_line_end(buffer)
            if buffer.find(b'"', 0, filled) >= 0 or not (end or is_last):
                break
            if end:
                yield bytes(memoryview(buffer)[:end])
            if is_last:
                return
            position += end
            buffer[: filled - end] = buffer[end:filled]
            filled -= end
    yield from _split_by_csv(path, file_format, position, block_size)


def _last_line_end(block: bytearray) -> int:
    """Return where the last line of a block ends, or 0 when no line does.

    The last byte of the block does not count: it may be the first half of a line end.
    """
    last = len(block) - 1
    line_feed = block.rfind(b"\n", 0, last)
    # A carriage return counts if it comes later.
    return max(line_feed, block.rfind(b"\r", line_feed + 1, last)) + 1


def _split_by_csv(
    path: Path,
    file_format: FileFormat,
    start: int,
    block_size: int,
) -> Iterator[bytes]:
    """Split a file, from the byte `start` on, where Python's csv module says that records end.

    Raises:
        csv.Error: a record cannot be read.
    """
    with open_text(path, file_format, start=start) as stream:
        lines = Lines(stream, limit=block_size + MAX_RECORD_TEXT)
        for _ in csv.reader(lines, delimiter=file_format.separator):
            if lines.characters >= block_size:
                yield lines.take().encode()
        if lines.characters:
            yield lines.take().encode()


def _parse_plain_block(
    block: bytes,
    header: list[str],
    file_format: FileFormat,
) -> pl.DataFrame | None:
    """Read a block without quotes whose rows all have as many cells as the header.

    polars reads it in half of Arrow's time. It fills short rows up without a word, so the
    separators are counted. Without a line end it drops an empty last cell without a word, so the
    block gets one. Returns None if the block is not so plain, or no text.
    """
    has_other_ends = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
    if len(header) < 2 or b'"' in block or has_other_ends or block.startswith(codecs.BOM_UTF8):
        return None
    try:
        frame = pl.read_csv(
            block if block.endswith(b"\n") else block + b"\n",
            has_header=False,
            separator=file_format.separator,
            quote_char=None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        return None
    separators = len(frame) * (len(header) - 1)
    if frame.width != len(header) or _count_byte(block, file_format.separator) != separators:
        return None
    names = {n: name for n, name in enumerate(header) if name not in file_format.ignore}
    return pl.DataFrame([frame.to_series(n).rename(name) for n, name in names.items()])


def _count_byte(block: bytes, character: str) -> int:
    """Count an ASCII character. Where it is frequent, NumPy takes a quarter of the time."""
    return int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == ord(character)))


def _parse_block(
    block: bytes,
    header: list[str],
    file_format: FileFormat,
    ragged: dict[int, int],
) -> pa.Table:
    """Read a block of records with every cell as text, and note its ragged rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    # Arrow drops one byte order mark at the start of what it reads. Here it is part of a cell.
    if block.startswith(BOM_BYTES):
        block = BOM_BYTES + block
    # Several ignored columns may have the same name, which Arrow cannot tell apart.
    ignored = set(file_format.ignore)
    names = [f"\0{position}" if name in ignored else name for position, name in enumerate(header)]
    read_names = [name for name in header if name not in ignored]

    def note_ragged(row: Any) -> str:
        # Arrow counts records from 1.
        ragged[row.number - 1] = row.actual_columns
        return "skip"

    return arrow_csv.read_csv(
        pa.BufferReader(block),
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            # One more, so that the whole block is read at once.
            block_size=len(block) + 1,
            column_names=names,
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=file_format.separator,
            newlines_in_values=True,
            invalid_row_handler=note_ragged,
        ),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=read_names,
            column_types={name: pa.string() for name in read_names},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _number_rows(count: int, ragged: Collection[int]) -> NDArray[np.int64]:
    """Number the `count` good rows of a block, and pass over the numbers in `ragged`.

    >>> _number_rows(3, {1: 1, 2: 1}).tolist()
    [0, 3, 4]
    """
    candidates = np.arange(count + len(ragged))
    if not ragged:
        return candidates
    return np.setdiff1d(candidates, np.array(sorted(ragged), dtype=np.int64))
