"""Open the text of a CSV file as bytes in UTF-8, however the file is packed and encoded.

A character that the declared encoding does not have becomes the byte 0xFF. No text in UTF-8 holds
this byte, so the check that finds bytes which are not text finds it too.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from streamflow.catalog.file_format import STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import COMPRESSED_CSV, kind_of
from streamflow.errors import ContractViolation

CHUNK = 1 << 20  # bytes read at a time
BOM_BYTES = codecs.BOM_UTF8
ERROR_HANDLER = "streamflow_mark"
MARK = "\udcff"  # surrogateescape writes it as the byte 0xFF
LINE_END = re.compile(rb"[\r\n]")


def is_plain(path: Path, file_format: FileFormat) -> bool:
    """Return whether the bytes of the file are those of its text."""
    return file_format.encoding in ("utf-8", "utf-8-sig") and kind_of(path.name) != COMPRESSED_CSV


def open_utf8(
    path: Path,
    file_format: FileFormat = STRICT_CSV,
    *,
    start: int = 0,
) -> io.BufferedReader:
    """Open the text of a file from its header on, as bytes in UTF-8.

    Args:
        start: How many bytes of the text to pass over.
    """
    stream = _unpack(path)
    if file_format.encoding == "utf-8-sig" and stream.peek(3)[:3] == BOM_BYTES:
        stream.read(3)
    elif file_format.encoding not in ("utf-8", "utf-8-sig"):
        stream = io.BufferedReader(_Recoder(stream, file_format.encoding), CHUNK)
    _skip_lines(stream, file_format.skip_lines)
    if stream.seekable() and is_plain(path, file_format):
        stream.seek(start, io.SEEK_CUR)
    else:
        _pass_over(stream, start)
    return stream


def open_text(path: Path, file_format: FileFormat = STRICT_CSV, *, start: int = 0) -> TextIO:
    """Open a file as text, with its line ends. Bytes that are not UTF-8 become lone surrogates."""
    stream = open_utf8(path, file_format, start=start)
    return io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Raise ContractViolation where a compressed file turns out to be damaged."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise ContractViolation(
            f"{path}: the file cannot be unpacked: {exc}",
            remedy="fetch the file again and run 'streamflow ingest' again.",
        ) from exc


def _unpack(path: Path) -> io.BufferedReader:
    """Open the bytes of a file, unpacked if its name ends in .gz."""
    if kind_of(path.name) == COMPRESSED_CSV:
        return io.BufferedReader(gzip.GzipFile(path, "rb"), CHUNK)
    return path.open("rb")


def _skip_lines(stream: io.BufferedReader, count: int) -> None:
    """Pass over lines that end with a line feed, a carriage return, or both."""
    while count and (chunk := stream.peek(1)):
        end = LINE_END.search(chunk)
        stream.read(end.end() if end else len(chunk))
        if end:
            count -= 1
        if end and end.group() == b"\r" and stream.peek(1)[:1] == b"\n":
            stream.read(1)


def _pass_over(stream: io.BufferedReader, count: int) -> None:
    """Read and drop this many bytes."""
    while count and (chunk := stream.read(min(count, CHUNK))):
        count -= len(chunk)


class _Recoder(io.RawIOBase):
    """The bytes of a text in UTF-8, made from bytes in a different encoding as they are read."""

    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        codecs.register_error(ERROR_HANDLER, _mark_undecodable)
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(ERROR_HANDLER)
        self._pending = b""
        self._has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._pending and not self._has_ended:
            chunk = self._stream.read(CHUNK)
            self._has_ended = not chunk
            text = self._decoder.decode(chunk, final=self._has_ended)
            self._pending = text.encode("utf-8", "surrogateescape")
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    """Replace bytes that the encoding does not have by the mark."""
    assert isinstance(error, UnicodeDecodeError)
    return MARK, error.end
