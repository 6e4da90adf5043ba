"""Guess how a text file is laid out: the separator of its cells, and where its header is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from io import StringIO

SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SEPARATOR_LINE = re.compile(r'^"?sep=(?P<separator>[,;\t|])"?\r?\n', re.IGNORECASE)
EXAMINED_RECORDS = 200


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """How the records of a text file are laid out.

    separator   what stands between two cells
    skip_lines  the number of lines before the header
    reasons     option -> what decided it, for each option that is not its default
    """

    separator: str
    skip_lines: int
    reasons: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _Records:
    """The first records of a text, as one separator reads them."""

    cells: list[list[str]]
    first_lines: list[int]  # the number of the line before each record

    @property
    def width(self) -> int:
        """Return the most frequent number of cells."""
        counts = Counter(len(record) for record in self.cells)
        return max(counts, key=lambda width: (counts[width], width)) if counts else 0

    @property
    def regular(self) -> int:
        """Return how many records have the most frequent number of cells."""
        width = self.width
        return sum(len(record) == width for record in self.cells)


def guess_layout(text: str) -> TextLayout:
    r"""Guess the layout of a text from its first lines.

    >>> layout = guess_layout("sep=;\nid;fee\n1;9,90\n2;8,50\n")
    >>> layout.separator, layout.skip_lines
    (';', 1)
    """
    separator_line = SEPARATOR_LINE.match(text)
    if separator_line:
        separator = separator_line["separator"]
        records = _read_records(text[separator_line.end() :], separator)
        reasons = {"skip_lines": f"the first line is {separator_line[0].strip()}"}
        skipped = 1
    else:
        separator = max(SEPARATORS, key=lambda sign: _rank(text, sign))
        records = _read_records(text, separator)
        header_index = _find_header(records)
        skipped = records.first_lines[header_index] if header_index else 0
        reasons = {}
        if skipped:
            reasons["skip_lines"] = f"line {skipped + 1} is the first with {records.width} cells"
    if separator != ",":
        share = f"{records.regular} of the first {len(records.cells)} records"
        name = SEPARATOR_NAMES[separator]
        reasons["separator"] = f"{name} give {records.width} cells in {share}"
    return TextLayout(separator=separator, skip_lines=skipped, reasons=reasons)


def _rank(text: str, separator: str) -> tuple[float, int]:
    """Rank a separator: how many records it cuts into equally many cells, and how many cells."""
    records = _read_records(text, separator)
    if records.width < 2:
        return 0.0, 0
    return records.regular / len(records.cells), records.width


def _find_header(records: _Records) -> int:
    """Find the first record with as many cells as most: lines of a title come before it."""
    width = records.width
    if width < 2 or not records.cells:
        return 0
    for index, record in enumerate(records.cells):
        if len(record) == width:
            return index if all(len(title) == 1 for title in records.cells[:index]) else 0
    return 0


def _read_records(text: str, separator: str) -> _Records:
    """Read the first records of a text. The last one may be cut off, so it does not count."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    cells: list[list[str]] = []
    first_lines: list[int] = []
    line = 0
    try:
        for record in reader:
            if record:
                cells.append(record)
                first_lines.append(line)
            line = reader.line_num
            if len(cells) > EXAMINED_RECORDS:
                break
    except csv.Error:
        # A cell of more characters than the module reads: what came before it is enough.
        pass
    has_rest = len(cells) > 2 and not text.endswith(("\n", "\r"))
    end = len(cells) - 1 if has_rest else len(cells)
    return _Records(cells=cells[:end], first_lines=first_lines[:end])
