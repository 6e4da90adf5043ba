"""Draw the rows of a table as HTML, in Python: a template takes five times as long for a long list.

Every text of a cell is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from html import escape

from markupsafe import Markup

from streamflow.console.charts import draw_bar
from streamflow.console.formats import format_age
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts

# A day or an instant breaks at its hyphens where a column is narrow, unless it is marked as a date.
DAY = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?")
REASON_ARROWS = {"up": "▲", "down": "▼"}
REASON_WORDS = {"up": "at_risk.raises", "down": "at_risk.lowers"}


def draw_rows(texts: Texts, table: PageTable, now: datetime) -> Markup:
    """Draw the rows of a table. The first cell of each row is the heading of the row."""
    starts = [_start_cell(column) for column in table.columns]
    rows = [_draw_row(texts, row, starts, now) for row in table.rows]
    return Markup("\n".join(rows))  # noqa: S704  # each part is escaped


def _start_cell(column: PageColumn) -> str:
    """Return the first tag of each cell of a column, but not of a row's heading."""
    kind = ' class="number"' if column.kind == "number" else ""
    title = column.title[:1].upper() + column.title[1:]
    label = f' data-label="{escape(title)}"' if title else ""
    return f"<td{kind}{label}>"


def _draw_row(texts: Texts, row: Sequence[Cell], starts: Sequence[str], now: datetime) -> str:
    cells = [f'<tr><th scope="row">{_draw_cell(texts, row[0], now)}</th>']
    for start, cell in zip(starts[1:], row[1:], strict=True):
        cells.append(f"{start}{_draw_cell(texts, cell, now)}</td>")
    cells.append("</tr>")
    return "".join(cells)


def _draw_cell(texts: Texts, cell: Cell, now: datetime) -> str:
    if cell.lines:
        return _draw_lines(texts, cell.lines)
    dated = cell.dated
    drawn = _draw_text(cell, is_date=dated is not None)
    if dated is not None:
        drawn += f' <span class="age">{format_age(dated, now)}</span>'
    if cell.bar is not None:
        # Markup would escape a text that it is added to.
        drawn += str(draw_bar(cell.bar))
    return drawn


def _draw_text(cell: Cell, *, is_date: bool) -> str:
    shown = escape(cell.shown)
    is_date = is_date or DAY.fullmatch(shown) is not None
    if cell.link:
        kind = ' class="date"' if is_date else ""
        return f'<a{kind} href="{escape(cell.link)}">{shown}</a>'
    if is_date:
        return f'<span class="date">{shown}</span>'
    if cell.tone:
        return f'<span class="tone {escape(cell.tone)}">{shown}</span>'
    return shown


def _draw_lines(texts: Texts, lines: Sequence[tuple[str, str]]) -> str:
    """Draw the reasons of a probability: each raises or lowers it."""
    items = []
    for tone, line in lines:
        arrow = f'<span class="arrow" aria-hidden="true">{REASON_ARROWS[tone]}</span>'
        word = f'<span class="hidden">{escape(texts.get(REASON_WORDS[tone]))} </span>'
        items.append(f'<li class="{escape(tone)}">{arrow}{word}{escape(line)}</li>')
    return f'<ul class="reasons">{"".join(items)}</ul>'
