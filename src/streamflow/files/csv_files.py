"""Read CSV files: their bytes, their header, and the records of an error.

Rows are counted as records from 0. The header is row -1. An empty line is not a record.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TextIO

HEADER_ROW = -1  # the row number of the header
CHUNK = 1 << 20  # bytes read at a time
# The limit of Python's csv module, which reads the records of an error.
MAX_CELL_CHARACTERS = 131_072
# A record has to fit into a block of `csv_batches`, with up to 4 bytes for each character.
MAX_RECORD_CHARACTERS = 1 << 20
QUOTE_HINT = "is a quote missing or too many?"
BOM = codecs.BOM_UTF8.decode()


@dataclass(frozen=True, kw_only=True)
class FileBytes:
    """What the bytes of a file tell before they are read as CSV.

    Attributes:
        size: The number of bytes.
        lines: The number of line feeds.
        longest_line: The number of bytes of the longest line.
        has_quotes: Whether the file has a double quote, so that a cell may go over several lines.
        is_text: Whether the file is UTF-8 without a NUL byte.
    """

    sha256: str
    size: int
    lines: int
    longest_line: int
    has_quotes: bool
    is_text: bool

    @property
    def may_have_long_cells(self) -> bool:
        """Tell whether a cell may be longer than MAX_CELL_CHARACTERS, or its quote not closed."""
        return self.has_quotes or self.longest_line > MAX_CELL_CHARACTERS


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record of a CSV file: the cells of one row.

    Attributes:
        line: The number of its first line in the file, from 1.
        cells: The cells of the record, as text. Of a record with a problem, what could be read.
        problem: Why the record and the rest of the file cannot be read. Empty when they can.
    """

    line: int
    cells: list[str]
    problem: str = ""


def inspect_bytes(path: Path) -> FileBytes:
    """Read the bytes of a file once, and describe them. Raises OSError."""
    digest = sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    lines = 0
    longest_line = 0
    open_line = 0  # bytes of the line that the next chunk continues
    has_quotes = False
    is_text = True
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            lengths = [len(line) for line in chunk.split(b"\n")]
            lines += len(lengths) - 1
            lengths[0] += open_line
            longest_line = max(longest_line, *lengths)
            open_line = lengths[-1]
            has_quotes = has_quotes or b'"' in chunk
            is_text = is_text and b"\0" not in chunk and _can_decode(decoder, chunk)
    # The file must not end within a character.
    is_text = is_text and _can_decode(decoder, b"", final=True)
    return FileBytes(
        sha256=digest.hexdigest(),
        size=size,
        lines=lines,
        longest_line=longest_line,
        has_quotes=has_quotes,
        is_text=is_text,
    )


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


def measure_header(path: Path) -> tuple[list[str], int]:
    """Return the names in the first record, and the bytes up to the end of this record."""
    with open_text(path) as stream:
        lines = Lines(stream)
        header = next((cells for cells in csv.reader(lines) if cells), [])
    return header, len(lines.take().encode(errors="surrogateescape"))


def open_text(path: Path) -> TextIO:
    """Open a file as text, with its line ends. Bytes that are not UTF-8 become lone surrogates."""
    return path.open(encoding="utf-8", errors="surrogateescape", newline="")


def find_unreadable_record(path: Path) -> tuple[int, Record] | None:
    """Return the row number and the record with which a file stops being readable, if any."""
    for row, record in _read_records(path):
        if record.problem:
            return row, record
    return None


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
    """Read every record with its row number, from the header (-1) on.

    A record with a problem is the last one.
    """
    with open_text(path) as stream:
        lines = Lines(stream)
        reader = csv.reader(lines)
        row = HEADER_ROW
        while True:
            line = reader.line_num + 1
            lines.take()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                problem = f"a cell of more than {MAX_CELL_CHARACTERS:,} characters ({QUOTE_HINT})"
                yield row, Record(line=line, cells=[], problem=problem)
                return
            if not cells:
                continue
            problem = _find_problem(cells, lines)
            yield row, Record(line=line, cells=cells, problem=problem)
            if problem:
                return
            row += 1


class Lines:
    """The lines of a file, one by one.

    Attributes:
        characters: The number of characters of the lines that were given and not taken.
        has_ended: Whether somebody asked for a line after the last one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._given: list[str] = []
        self.characters = 0
        self.has_ended = False

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self._given.append(line)
            self.characters += len(line)
            yield line
        self.has_ended = True

    def take(self) -> str:
        """Return the text of the lines since the last call."""
        text = "".join(self._given)
        self._given.clear()
        self.characters = 0
        return text


def _find_problem(cells: list[str], lines: Lines) -> str:
    """Return why a record cannot be read; an empty text when it can."""
    if lines.has_ended:
        # The record needed one more line, because the quote of its last cell is open.
        return f"a cell from here to the end of the file ({QUOTE_HINT})"
    if sum(map(len, cells)) + len(cells) > MAX_RECORD_CHARACTERS:
        return f"a record of more than {MAX_RECORD_CHARACTERS:,} characters ({QUOTE_HINT})"
    return ""
