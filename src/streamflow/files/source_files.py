"""Look at files whose format no catalog declares yet: their names, and what their bytes tell."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from streamflow.catalog.file_kinds import COMPRESSED_CSV, kind_of
from streamflow.files import excel_files
from streamflow.files.csv_files import MAX_CELL_CHARACTERS
from streamflow.files.line_lengths import LongLines

# How the names of the files end that a folder of data is searched for. A .txt may be a note.
# A catalog can declare a file of any ending.
ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".xlsx")
HEAD_BYTES = 1 << 20
CHUNK = 1 << 20  # bytes read at a time
EXAMINED_ROWS = 200  # rows of a sheet in which the header must be
UNDEFINED_IN_1252 = b"\x81\x8d\x8f\x90\x9d"


@dataclass(frozen=True, kw_only=True)
class TextFacts:
    """What all bytes of a text file tell.

    head       the first bytes of the text
    is_utf8    all bytes are valid UTF-8
    undefined  the bytes that Windows-1252 does not define
    quotes     the number of double quotes
    has_long_line  a line has more bytes than a cell may have characters
    """

    head: bytes
    is_utf8: bool
    undefined: frozenset[int]
    quotes: int
    has_long_line: bool

    @property
    def may_be_unreadable(self) -> bool:
        """Tell whether a quote may not be closed, or a cell may be too long."""
        return self.quotes % 2 == 1 or self.has_long_line


def list_names(folder: Path) -> list[str]:
    """List the names of the data files in a folder, in order. Hidden files are left out."""
    return sorted(path.name for path in folder.iterdir() if _is_data(path))


def _is_data(path: Path) -> bool:
    """Return whether the path is a data file that is not hidden."""
    return path.name.lower().endswith(ENDINGS) and path.is_file() and not path.name.startswith(".")


def read_first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file as they are stored. Raises OSError."""
    with path.open("rb") as stream:
        return stream.read(16)


def read_text_facts(path: Path) -> TextFacts:
    """Read all bytes of a text file once, unpacked. Raises OSError, EOFError or zlib.error."""
    head = b""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = True
    undefined: set[int] = set()
    quotes = 0
    long_lines = LongLines(limit=MAX_CELL_CHARACTERS)
    for chunk in _read_chunks(path):
        head = head or chunk[:HEAD_BYTES]
        quotes += chunk.count(b'"')
        long_lines.add(chunk)
        is_ascii = chunk.isascii()
        if is_utf8 and not (is_ascii and not decoder.getstate()[0]):
            is_utf8 = _can_decode(decoder, chunk)
        if not is_ascii:
            undefined |= {byte for byte in UNDEFINED_IN_1252 if byte in chunk}
    is_utf8 = is_utf8 and _can_decode(decoder, b"", final=True)
    return TextFacts(
        head=head,
        is_utf8=is_utf8,
        undefined=frozenset(undefined),
        quotes=quotes,
        has_long_line=long_lines.has_long_line,
    )


def _read_chunks(path: Path) -> Iterator[bytes]:
    """Read the bytes of a text file, unpacked."""
    is_packed = kind_of(path.name) == COMPRESSED_CSV
    with path.open("rb") as stored:
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=stored)) if is_packed else stored
        while chunk := stream.read(CHUNK):
            yield chunk


def _can_decode(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    """Feed the decoder with a chunk, and return whether it was valid."""
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def list_sheets(path: Path) -> list[str]:
    """List the visible sheets of an Excel file.

    Raises:
        ContractViolation: the file is damaged.
    """
    with excel_files.naming_damage(path), excel_files.open_workbook(path) as workbook:
        return _list_visible(workbook)


def _list_visible(workbook: Any) -> list[str]:
    """List the titles of the visible sheets."""
    return [sheet.title for sheet in workbook.worksheets if sheet.sheet_state == "visible"]


def count_title_rows(path: Path, sheet: str | None) -> int:
    """Count the rows of a sheet before its header: those above the first row of several cells.

    Args:
        sheet: its title; None: the only visible sheet.

    Raises:
        ContractViolation: the file is damaged.
    """
    with excel_files.naming_damage(path), excel_files.open_workbook(path) as workbook:
        title = sheet or _list_visible(workbook)[0]
        chosen_sheet = workbook[title]
        chosen_sheet.reset_dimensions()
        has_title = False
        rows = chosen_sheet.iter_rows(max_row=EXAMINED_ROWS, values_only=True)
        for number, cells in enumerate(rows):
            filled = sum(cell not in (None, "") for cell in cells)
            if filled > 1:
                return number if has_title else 0
            has_title = has_title or filled == 1
    return 0
