"""Guess how the bytes of a file are to be read: the encoding of a text, or why it is no text."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

ZIP = b"PK\x03\x04"
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
# Bytes that Windows-1252 does not define.
UNDEFINED_IN_1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
ODD_NULS = 0.3  # from this share of NUL bytes at odd or even positions on, a text is UTF-16


@dataclass(frozen=True, kw_only=True)
class EncodingGuess:
    """The encoding of a text file.

    encoding  as the catalog writes it
    reason    what decided it; empty for plain UTF-8
    """

    encoding: str
    reason: str = ""


def describe_wrong_kind(head: bytes, name: str) -> str:
    """Say why a file is not of the kind that its name promises; empty when it seems to be.

    >>> describe_wrong_kind(b"PK\\x03\\x04...", "users.csv")
    'it is a ZIP archive, not text; unpack it (an Excel file must be named .xlsx)'
    >>> describe_wrong_kind(b"id,age", "users.csv")
    ''
    """
    ending = name.lower().rsplit(".", 1)[-1]
    if head.startswith(OLD_EXCEL):
        return "it is an Excel file of the old kind (.xls); save it as .xlsx or CSV"
    if head.startswith(ZIP) != (ending == "xlsx"):
        if ending == "xlsx":
            return "it is not an Excel file, although its name ends in .xlsx"
        return "it is a ZIP archive, not text; unpack it (an Excel file must be named .xlsx)"
    if head.startswith(GZIP) != (ending == "gz"):
        if ending == "gz":
            return "it is not compressed, although its name ends in .gz"
        return "it is compressed by gzip; its name must end in .gz"
    if head.startswith(PARQUET) != (ending == "parquet"):
        if ending == "parquet":
            return "it is not a Parquet file, although its name ends in .parquet"
        return "it is a Parquet file; its name must end in .parquet"
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
