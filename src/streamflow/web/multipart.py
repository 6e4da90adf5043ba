"""Read a form with files (multipart/form-data, RFC 7578) as it arrives, piece by piece.

Nothing is held in memory but the piece that arrived last and the heads of a part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto
from typing import Protocol

MAX_HEAD_BYTES = 8_192
MAX_PARTS = 200
NAME = re.compile(rb'[;\s]name="([^"]*)"')
FILE_NAME = re.compile(rb'[;\s]filename="([^"]*)"')
HEAD_END = b"\r\n\r\n"


class MultipartMalformed(Exception):
    """The body is not multipart/form-data, or it ends too early."""


@dataclass(frozen=True, kw_only=True)
class FormPart:
    """A part of a form: the name of its field, and the name of its file; None: it is no file."""

    name: str
    file_name: str | None


class PartSink(Protocol):
    """What takes the parts of a form, one after the other."""

    def begin(self, form_part: FormPart) -> None:
        """Begin a part."""

    def write(self, content: bytes) -> None:
        """Take some bytes of the part."""

    def end(self) -> None:
        """End the part."""


class _ReaderState(Enum):
    """Where in the body the reader is."""

    PREAMBLE = auto()  # before the first delimiter
    DELIMITER = auto()  # directly behind a delimiter
    HEAD = auto()
    CONTENT = auto()
    EPILOGUE = auto()  # behind the last delimiter


def find_boundary(content_type: str) -> bytes:
    """Return the boundary that a content type names.

    Raises:
        MultipartMalformed: this is no multipart/form-data with a boundary.

    >>> find_boundary('multipart/form-data; boundary="x y"')
    b'x y'
    """
    message = Message()
    message["Content-Type"] = content_type.replace("\r", "").replace("\n", "")
    boundary = message.get_param("boundary")
    is_form = message.get_content_type() == "multipart/form-data"
    if not is_form or not isinstance(boundary, str) or not 1 <= len(boundary) <= 70:
        raise MultipartMalformed("there is no boundary")
    return boundary.encode("latin-1", "replace")


class MultipartReader:
    """Divides a body into its parts.

    Args:
        boundary: the text between the parts.
        sink: what takes the parts.
    """

    def __init__(self, boundary: bytes, sink: PartSink) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._sink = sink
        # The first delimiter may stand at the very beginning, without a line before it.
        self._rest = b"\r\n"
        self._state = _ReaderState.PREAMBLE
        self._parts = 0

    def feed(self, piece: bytes) -> None:
        """Take up the next piece of the body.

        Raises:
            MultipartMalformed: this is no part of such a body.
        """
        self._rest += piece
        while self._step():
            pass

    def finish(self) -> None:
        """End the body.

        Raises:
            MultipartMalformed: the body ends before its last delimiter.
        """
        if self._state is not _ReaderState.EPILOGUE:
            raise MultipartMalformed("the body ends too early")

    def _step(self) -> bool:
        """Go on by one place; return whether there is more to do with the bytes at hand."""
        if self._state is _ReaderState.DELIMITER:
            return self._pass_delimiter()
        if self._state is _ReaderState.HEAD:
            return self._read_head()
        if self._state is _ReaderState.EPILOGUE:
            self._rest = b""
            return False
        return self._read_to_delimiter()

    def _read_to_delimiter(self) -> bool:
        start = self._rest.find(self._delimiter)
        is_found = start >= 0
        # The last bytes may be the beginning of a delimiter.
        end = start if is_found else max(0, len(self._rest) - len(self._delimiter) + 1)
        if self._state is _ReaderState.CONTENT:
            if end:
                self._sink.write(self._rest[:end])
            if is_found:
                self._sink.end()
        self._rest = self._rest[end:]
        if is_found:
            self._rest = self._rest[len(self._delimiter) :]
            self._state = _ReaderState.DELIMITER
        return is_found

    def _pass_delimiter(self) -> bool:
        if len(self._rest) < 2:
            return False
        mark = self._rest[:2]
        if mark == b"--":
            self._state = _ReaderState.EPILOGUE
        elif mark == b"\r\n":
            self._state = _ReaderState.HEAD
        else:
            raise MultipartMalformed("a delimiter is not followed by a line")
        self._rest = self._rest[2:]
        return True

    def _read_head(self) -> bool:
        end = self._rest.find(HEAD_END)
        if end < 0:
            if len(self._rest) > MAX_HEAD_BYTES:
                raise MultipartMalformed("the head of a part is too long")
            return False
        self._parts += 1
        if end > MAX_HEAD_BYTES or self._parts > MAX_PARTS:
            raise MultipartMalformed("there are too many parts, or a head is too long")
        self._sink.begin(parse_head(self._rest[:end]))
        self._rest = self._rest[end + len(HEAD_END) :]
        self._state = _ReaderState.CONTENT
        return True


def parse_head(head: bytes) -> FormPart:
    """Read the name of a part and of its file from the head of the part.

    Raises:
        MultipartMalformed: the part has no name, or one that is not UTF-8.
    """
    name = NAME.search(head)
    file_name = FILE_NAME.search(head)
    if name is None:
        raise MultipartMalformed("a part has no name")
    try:
        return FormPart(
            name=name[1].decode(),
            file_name=None if file_name is None else file_name[1].decode(),
        )
    except UnicodeDecodeError as exc:
        raise MultipartMalformed("the name of a part is not UTF-8") from exc
