"""Guess how the bytes of a file are to be read: the encoding of a text, or why it is no text."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

OLD_EXCEL = b"\xd0\xcf\x11\xe0"
ODD_NULS = 0.3  # from this share of NUL bytes at odd or even positions on, a text is UTF-16


@dataclass(frozen=True, kw_only=True)
class BinaryKind:
    """A kind of files that are no text.

    magic       the first bytes of such a file
    not_named   what is wrong where the name has a different ending
    not_inside  what is wrong where only the name has the ending
    """

    magic: bytes
    ending: str
    not_named: str
    not_inside: str


BINARY_KINDS = (
    BinaryKind(
        magic=b"PK\x03\x04",
        ending="xlsx",
        not_named="it is a ZIP archive, not text; unpack it (an Excel file must be named .xlsx)",
        not_inside="it is not an Excel file, although its name ends in .xlsx",
    ),
    BinaryKind(
        magic=b"\x1f\x8b",
        ending="gz",
        not_named="it is compressed by gzip; its name must end in .gz",
        not_inside="it is not compressed, although its name ends in .gz",
    ),
    BinaryKind(
        magic=b"PAR1",
        ending="parquet",
        not_named="it is a Parquet file; its name must end in .parquet",
        not_inside="it is not a Parquet file, although its name ends in .parquet",
    ),
)


@dataclass(frozen=True, kw_only=True)
class EncodingGuess:
    """The encoding of a text file.

    encoding  as the catalog writes it
    reason    what decided it; empty for plain UTF-8
    """

    encoding: str
    reason: str = ""


def describe_wrong_kind(head: bytes, name: str) -> str:
    r"""Say why a file is not of the kind that its name promises; empty when it seems to be.

    >>> describe_wrong_kind(b"PK\x03\x04...", "users.csv")
    'it is a ZIP archive, not text; unpack it (an Excel file must be named .xlsx)'
    >>> describe_wrong_kind(b"id,age", "users.csv")
    ''
    """
    ending = name.lower().rsplit(".", 1)[-1]
    if head.startswith(OLD_EXCEL):
        return "it is an Excel file of the old kind (.xls); save it as .xlsx or CSV"
    for kind in BINARY_KINDS:
        is_named_so = ending == kind.ending
        if head.startswith(kind.magic) != is_named_so:
            return kind.not_named if not is_named_so else kind.not_inside
    return ""


def guess_encoding(head: bytes, *, is_utf8: bool, undefined: frozenset[int]) -> EncodingGuess:
    r"""Guess the encoding of a text from its first bytes and from facts about all of them.

    Args:
        head: the first bytes of the text.
        is_utf8: whether all bytes of the text are valid UTF-8.
        undefined: the bytes of the text that Windows-1252 does not define.

    >>> guess_encoding(b"\xff\xfei\x00d\x00", is_utf8=False, undefined=frozenset()).encoding
    'utf-16'
    """
    if head.startswith(codecs.BOM_UTF8):
        return EncodingGuess(encoding="utf-8-sig", reason="the file begins with a byte order mark")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return EncodingGuess(encoding="utf-16", reason="the file begins with its byte order mark")
    for position, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[position::2]
        if half and half.count(0) / len(half) > ODD_NULS:
            return EncodingGuess(encoding=encoding, reason="every second byte is zero")
    if is_utf8:
        return EncodingGuess(encoding="utf-8")
    if undefined:
        shown = ", ".join(f"0x{byte:02X}" for byte in sorted(undefined))
        reason = f"the bytes are not UTF-8, and Windows-1252 does not have {shown}"
        return EncodingGuess(encoding="iso-8859-1", reason=reason)
    return EncodingGuess(encoding="windows-1252", reason="the bytes are not UTF-8")
