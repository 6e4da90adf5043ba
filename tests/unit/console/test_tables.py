"""CSV of a table, and how keys and places stand in addresses."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from io import StringIO

import pytest

from streamflow.console.customer_pages import parse_position
from streamflow.console.pages import user_address
from streamflow.console.tables import Cell, PageColumn, PageTable, write_csv
from streamflow.errors import FilterInvalid


def test_csv_has_numbers_in_full_and_no_formula() -> None:
    cells = (
        Cell("=HYPERLINK(1)"),
        Cell(0.1 + 0.2, "30 %"),
        Cell(-1.5, "−1.5"),
        Cell(None, "–"),
        Cell(True, "yes"),
        Cell('a "b", c\nd'),
        Cell(datetime(2024, 1, 31, tzinfo=UTC)),
    )
    columns = tuple(PageColumn(name=f"c{n}", title="") for n in range(len(cells)))
    table = PageTable(name="t", caption="", columns=columns, rows=(cells,))
    names, row = csv.reader(StringIO(write_csv(table), newline=""))
    assert names == [column.name for column in columns]
    assert row == [
        "'=HYPERLINK(1)",
        "0.30000000000000004",
        "-1.5",
        "",
        "true",
        'a "b", c\nd',
        "2024-01-31T00:00:00+00:00",
    ]


@pytest.mark.parametrize("text", ["0.5", "a~b", "2~a", "-1~a", "nan~a", "0.5~\0", "~"])
def test_what_is_no_place_in_a_list_is_refused(text: str) -> None:
    with pytest.raises(FilterInvalid):
        parse_position(text)


@pytest.mark.parametrize("key", ["a/b", "..", "%2F", "a?b#c", "ü ", "+"])
def test_a_key_has_one_address(key: str) -> None:
    from urllib.parse import unquote

    address = user_address(key)
    assert unquote(address.removeprefix("/users/")) == key
    assert not set(address.removeprefix("/users/")) & set("/?# ")
