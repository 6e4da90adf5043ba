"""The rows of a table as HTML: every kind of cell, and every text is escaped."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from markupsafe import Markup

from streamflow.console.charts import draw_bar
from streamflow.console.table_rows import draw_rows
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import load_texts

NOW = datetime(2026, 1, 3, tzinfo=UTC)
DAY = datetime(2026, 1, 2, tzinfo=UTC)
HOSTILE = "\"'><script>&"
ESCAPED = "&quot;&#x27;&gt;&lt;script&gt;&amp;"


def draw(*cells: Cell) -> str:
    columns = [PageColumn(name="head", title="head")]
    columns += [PageColumn(name=f"c{n}", title=f"t{n}") for n in range(1, len(cells))]
    table = PageTable(name="t", caption="", columns=tuple(columns), rows=(cells,))
    drawn = draw_rows(load_texts(), table, NOW)
    assert isinstance(drawn, Markup)
    return str(drawn)


@pytest.mark.parametrize(
    ("cell", "html"),
    [
        (Cell(7), "7"),
        (Cell(None), ""),
        (Cell(0.5, "50 %"), "50 %"),
        (Cell(HOSTILE), ESCAPED),
        (Cell("x", tone="up"), '<span class="tone up">x</span>'),
        (Cell("x", link=f"/a?b={HOSTILE}"), f'<a href="/a?b={ESCAPED}">x</a>'),
        (Cell(DAY, "d"), '<span class="date">d</span> <span class="age">1 day ago</span>'),
        (
            Cell("x", link="/d", moment=DAY),
            '<a class="date" href="/d">x</a> <span class="age">1 day ago</span>',
        ),
        (Cell("2024-01-31"), '<span class="date">2024-01-31</span>'),
        (Cell("2024-01-31 12:00"), '<span class="date">2024-01-31 12:00</span>'),
        (Cell("2024-01-31 or later"), "2024-01-31 or later"),
        (Cell(0.5, HOSTILE, bar=0.5), f"{ESCAPED}{draw_bar(0.5)}"),
        (
            Cell("x", lines=(("up", HOSTILE), ("down", "b"))),
            '<ul class="reasons"><li class="up"><span class="arrow" aria-hidden="true">▲</span>'
            f'<span class="hidden">raises </span>{ESCAPED}</li><li class="down">'
            '<span class="arrow" aria-hidden="true">▼</span><span class="hidden">lowers </span>b'
            "</li></ul>",
        ),
    ],
)
def test_a_cell_is_drawn_and_escaped(cell: Cell, html: str) -> None:
    expected = f'<tr><th scope="row">{html}</th><td data-label="T1">{html}</td></tr>'
    assert draw(cell, cell) == expected


def test_a_number_is_aligned_and_a_title_is_escaped() -> None:
    columns = (
        PageColumn(name="a", title="a", kind="number"),
        PageColumn(name="b", title=HOSTILE, kind="number"),
        PageColumn(name="c", title=""),
    )
    rows = ((Cell(1), Cell(2), Cell(3)), (Cell(4), Cell(5), Cell(6)))
    table = PageTable(name="t", caption="", columns=columns, rows=rows)
    first, second = str(draw_rows(load_texts(), table, NOW)).splitlines()
    assert first == (
        f'<tr><th scope="row">1</th><td class="number" data-label="{ESCAPED}">2</td><td>3</td></tr>'
    )
    assert second.startswith('<tr><th scope="row">4</th>')
