"""A table of a page: the same cells as HTML, as CSV and as JSON."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from typing import Any

# A spreadsheet takes a cell that begins like this for a formula, and would compute it.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class PageColumn:
    """A column of a table.

    name   its name in CSV
    title  its title on the page
    kind   number: aligned to the right
    """

    name: str
    title: str
    kind: str = "text"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    value  what CSV has: a number in full, or a text
    text   what the page shows; None: the value
    link   the address that the text leads to
    tone   a name that the style sheet knows, such as up or down
    bar    a share from 0 to 1 that is drawn beside the text; None: nothing is drawn
    lines  several lines instead of the text
    moment an instant whose age stands beside the text; None: that of the value, if it is one
    """

    value: object
    text: str | None = None
    link: str = ""
    tone: str = ""
    bar: float | None = None
    lines: tuple[tuple[str, str], ...] = ()
    moment: datetime | None = None

    @property
    def dated(self) -> datetime | None:
        """Return the instant whose age stands beside the text."""
        if self.moment is None and isinstance(self.value, datetime):
            return self.value
        return self.moment

    @property
    def shown(self) -> str:
        """Return what the page shows."""
        if self.text is not None:
            return self.text
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table of a page. `name` is its name in an address, `caption` its title on the page."""

    name: str
    caption: str
    columns: tuple[PageColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]


def write_csv(table: PageTable) -> str:
    """Write a table as CSV: the rows and columns of the page, numbers in full.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    for row in table.rows:
        writer.writerow([_csv_value(cell.value) for cell in row])
    return text.getvalue()


def _csv_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def make_paging(numbers: Sequence[int], below: int | None, limit: int) -> dict[str, Any]:
    """Return what the links below a list need.

    Args:
        numbers: those of the rows, the highest first
        below: only rows with smaller numbers are listed; None: all
        limit: how many rows a page has at most

    >>> make_paging([9, 8], None, 2)
    {'below': None, 'after': '8', 'limit': 2}
    """
    is_full = len(numbers) == limit and numbers[-1] > 1
    last_number = str(numbers[-1]) if is_full else None
    return {"below": below, "after": last_number, "limit": limit}


def find_table(tables: Sequence[PageTable], name: str) -> PageTable | None:
    """Return the table of this name, or the first one for an empty name."""
    for table in tables:
        if name in ("", table.name):
            return table
    return None
