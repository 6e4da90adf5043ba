"""How the file of a table is written. The catalog declares it; `ingest` reads every month by it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from streamflow.column import CatalogPart, Header

Encoding = Literal[
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1257",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "cp850",
    "mac-roman",
    "shift_jis",
    "gb18030",
    "big5",
    "euc-kr",
]
Separator = Literal[",", ";", "\t", "|"]
DecimalSign = Literal[".", ","]
# A digit, a point and the signs of a number would make a number ambiguous.
ThousandsSign = Literal["", ",", ".", "'", "’", " ", "\u00a0", "\u202f", "_"]
# D is a digit of the day, M of the month, Y of the year.
DateForm = Literal[
    "YYYY-MM-DD",
    "YYYY/MM/DD",
    "YYYYMMDD",
    "DD.MM.YYYY",
    "DD/MM/YYYY",
    "DD-MM-YYYY",
    "MM/DD/YYYY",
    "MM-DD-YYYY",
]
Sign = Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[^\d\s.,+\-'_\x00]+$")]
Word = Annotated[str, Field(min_length=1, max_length=64)]

MAX_WORDS = 100
MAX_SKIPPED_LINES = 1_000
# Blanks that `trim` removes. A character of no width is not a blank: it is part of the cell.
BLANKS = " \t\u00a0\u2007\u202f\u3000"


class FileFormat(CatalogPart):
    """How one file is written. The defaults are a strict CSV file.

    separator    stands between two cells of a CSV file
    encoding     of a CSV file; `utf-8-sig` is UTF-8 that may begin with a byte order mark
    skip_lines   the lines (in Excel: rows) before the header, such as `sep=;`
    sheet        the sheet of an Excel file; without it the file must have one sheet
    key_header   the header of the entity's key in this file; without it the name of the key
    number_rows  no column is the key: the rows are numbered 1, 2, 3 … in the order of the file
    ignore       the headers of columns that are not read; "" is a column without a header
    trim         remove blanks around headers and cells
    decimal      the decimal sign of numbers
    thousands    the sign between groups of three digits
    signs        signs before or after a number; they are removed. "12 %" is 12, not 0.12
    whole_floats a whole number may be written with a fraction of zeros: "1.0" is 1
    dates        the form of dates, and of the date in an instant; a day or a month may have one
                 digit, except in YYYYMMDD
    nulls        words that mean a null, besides the empty cell
    true, false  words that mean True or False, besides these two
    """

    separator: Separator = ","
    encoding: Encoding = "utf-8"
    skip_lines: int = Field(default=0, ge=0, le=MAX_SKIPPED_LINES)
    sheet: str | None = Field(default=None, min_length=1, max_length=31)
    key_header: Header | None = None
    number_rows: bool = False
    ignore: tuple[Header | Literal[""], ...] = Field(default=(), strict=False, max_length=10_000)
    trim: bool = False
    decimal: DecimalSign = "."
    thousands: ThousandsSign = ""
    signs: tuple[Sign, ...] = Field(default=(), strict=False, max_length=MAX_WORDS)
    whole_floats: bool = False
    dates: DateForm = "YYYY-MM-DD"
    nulls: tuple[Word, ...] = Field(default=(), strict=False, max_length=MAX_WORDS)
    true: tuple[Word, ...] = Field(default=(), strict=False, max_length=MAX_WORDS)
    false: tuple[Word, ...] = Field(default=(), strict=False, max_length=MAX_WORDS)

    @model_validator(mode="after")
    def _check_coherence(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are the same sign {self.decimal!r}")
        if not {"e", "E"}.isdisjoint(self.signs):
            raise ValueError("the sign 'e' belongs to numbers such as 1e5")
        meanings: dict[str, str] = {"True": "true", "False": "false"}
        for meaning in ("nulls", "true", "false"):
            for word in getattr(self, meaning):
                earlier = meanings.setdefault(word, meaning)
                if earlier != meaning:
                    raise ValueError(f"the word {word!r} is in {earlier} and in {meaning}")
        return self


STRICT_CSV = FileFormat()
