"""Read CSV files: their bytes, their header, and the records of an error.

Rows are counted as records from 0. The header is row -1. An empty line is not a record.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO, TextIO

from streamflow.catalog.file_format import BLANKS, STRICT_CSV, FileFormat
from streamflow.files.line_lengths import LineLengths
from streamflow.files.text_source import CHUNK, is_plain, open_text, open_utf8

HEADER_ROW = -1  # the row number of the header
# The limit of Python's csv module, which reads the records of an error.
MAX_CELL_CHARACTERS = 131_072
# A record has to fit into a block of `csv_batches`, with up to 4 bytes for each character.
MAX_RECORD_CHARACTERS = 1 << 20
# The text of such a record: its quotes are doubled, and each cell may have quotes around it.
MAX_RECORD_TEXT = 3 * MAX_RECORD_CHARACTERS + len("\r\n")
QUOTE_HINT = "is a quote missing or too many?"
LONG_CELL = f"a cell of more than {MAX_CELL_CHARACTERS:,} characters ({QUOTE_HINT})"
LONG_RECORD = f"a record of more than {MAX_RECORD_CHARACTERS:,} characters ({QUOTE_HINT})"
BOM = codecs.BOM_UTF8.decode()
NOT_UTF8 = "bytes that are not UTF-8 (is it Latin-1?)"


@dataclass(frozen=True, kw_only=True)
class FileBytes:
    """What the bytes of a file tell before they are read as CSV.

    `sha256` and `size` are of the bytes of the file. All else is of its text, which a compressed
    file and a file in a different encoding hold in different bytes.

    Attributes:
        size: The number of bytes.
        lines: The number of line feeds; in a file that is not text, the number of rows and one.
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


def inspect_bytes(path: Path, file_format: FileFormat = STRICT_CSV) -> FileBytes:
    """Read the bytes of a text file, and describe them. Raises OSError."""
    if is_plain(path, file_format):
        with path.open("rb") as stream:
            return _describe(stream)
    with open_utf8(path, file_format) as text:
        facts = _describe(text)
    return replace(facts, sha256=hash_bytes(path), size=path.stat().st_size)


def hash_bytes(path: Path) -> str:
    """Return the sha256 of the bytes of a file. Raises OSError."""
    with path.open("rb") as stream:
        return file_digest(stream, sha256).hexdigest()


def _describe(stream: BinaryIO) -> FileBytes:
    """Read a stream to its end once, and describe its bytes."""
    digest = sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    lengths = LineLengths()
    size = 0
    has_quotes = False
    is_text = True
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        lengths.add(chunk)
        has_quotes = has_quotes or b'"' in chunk
        is_text = is_text and b"\0" not in chunk and _can_decode(decoder, chunk)
    # The file must not end within a character.
    is_text = is_text and _can_decode(decoder, b"", final=True)
    return FileBytes(
        sha256=digest.hexdigest(),
        size=size,
        lines=lengths.lines,
        longest_line=lengths.longest,
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


def read_header(path: Path, file_format: FileFormat = STRICT_CSV) -> list[str]:
    """Read the names in the first record, with a byte order mark if there is one.

    An empty file has an empty list.
    """
    for _, record in _read_records(path, file_format):
        return trim_header(record.cells, file_format)
    return []


def trim_header(cells: list[str], file_format: FileFormat) -> list[str]:
    """Remove the blanks around the names of a header where the format says so."""
    return [cell.strip(BLANKS) for cell in cells] if file_format.trim else cells


def measure_header(path: Path, file_format: FileFormat = STRICT_CSV) -> tuple[list[str], int]:
    """Return the names in the first record, and the bytes of text to the end of this record.

    Raises:
        csv.Error: the record cannot be read.
    """
    header: list[str] = []
    size = 0
    with open_text(path, file_format) as stream:
        lines = Lines(stream)
        for header in csv.reader(lines, delimiter=file_format.separator):
            size += len(lines.take().encode(errors="surrogateescape"))
            if header:
                break
    return trim_header(header, file_format), size


def find_unreadable_record(
    path: Path,
    file_format: FileFormat = STRICT_CSV,
) -> tuple[int, Record] | None:
    """Return the row number and the record with which a file stops being readable, if any."""
    for row, record in _read_records(path, file_format):
        if record.problem:
            return row, record
    return None


def read_records(
    path: Path,
    rows: Collection[int],
    file_format: FileFormat = STRICT_CSV,
) -> dict[int, Record]:
    """Read the records of these rows, by row number.

    Bytes that are not UTF-8 become lone surrogates.
    """
    row_numbers = set(rows)
    last_row = max(rows, default=-2)
    records_by_row = {}
    for row, record in _read_records(path, file_format):
        if row > last_row:
            break
        if row in row_numbers:
            records_by_row[row] = record
    return records_by_row


def find_undecodable_cells(
    path: Path,
    file_format: FileFormat = STRICT_CSV,
) -> Iterator[tuple[int, int, str]]:
    """Find each cell that holds a NUL byte or bytes that are not text in the file's encoding.

    Yields:
        The row, the position of the cell in the row from 0, and what the cell holds, in words.
    """
    bad_bytes = NOT_UTF8
    if file_format.encoding not in ("utf-8", "utf-8-sig"):
        bad_bytes = f"bytes that are not {file_format.encoding}"
    for row, record in _read_records(path, file_format):
        for position, cell in enumerate(record.cells):
            if "\0" in cell:
                yield row, position, "a NUL byte"
            elif any("\ud800" <= character <= "\udfff" for character in cell):
                yield row, position, bad_bytes


def _read_records(path: Path, file_format: FileFormat) -> Iterator[tuple[int, Record]]:
    """Read every record with its row number, from the header (-1) on.

    A record with a problem is the last one.
    """
    with open_text(path, file_format) as stream:
        lines = Lines(stream)
        reader = csv.reader(lines, delimiter=file_format.separator)
        row = HEADER_ROW
        while True:
            line = file_format.skip_lines + reader.line_num + 1
            lines.take()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                problem = LONG_RECORD if lines.are_too_long else LONG_CELL
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

    Args:
        limit: How many characters may be given and not taken: this bounds the memory.

    Attributes:
        characters: The number of characters of the lines that were given and not taken.
        has_ended: Whether somebody asked for a line after the last one.
        are_too_long: Whether the lines have reached the limit.
    """

    def __init__(self, stream: TextIO, *, limit: int = MAX_RECORD_TEXT) -> None:
        self._stream = stream
        self._limit = limit
        self._given: list[str] = []
        self.characters = 0
        self.has_ended = False
        self.are_too_long = False

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(self._limit + 1):
            self._given.append(line)
            self.characters += len(line)
            if self.characters > self._limit:
                self.are_too_long = True
                raise csv.Error(LONG_RECORD)
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
        return LONG_RECORD
    return ""
