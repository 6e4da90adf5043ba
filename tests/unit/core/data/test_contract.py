"""The contract finds every broken promise of a file, each with its row and column."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.catalog import Column, load_catalog
from streamflow.core.data.cell_contract import read_cells
from streamflow.core.data.contract import find_header_violations
from streamflow.core.data.key_contract import check_keys_across_files, find_repeated_keys

COLUMNS = {
    "user_id": Column(type="string", max_length=10),
    "fee": Column(type="float", min=0),
    "months": Column(type="int", min=0, max=100),
    "active": Column(type="bool", nullable=True),
    "plan": Column(type="string", categories=("a", "b")),
    "since": Column(type="date"),
}
GOOD = {
    "user_id": "u1",
    "fee": "29.85",
    "months": "1",
    "active": "True",
    "plan": "a",
    "since": "2024-01-31",
}


def check(*rows: dict[str, str | None]) -> tuple[pl.DataFrame, list[tuple[str | None, int | None]]]:
    text = pl.DataFrame(
        [{**GOOD, "user_id": f"u{i}", **row} for i, row in enumerate(rows)],
        schema=dict.fromkeys(GOOD, pl.String),
    )
    frame, violations = read_cells(text, np.arange(len(text)), COLUMNS, key="user_id", table="t")
    return frame, [(v.column, v.row) for v in violations]


def test_good_rows_are_typed_to_the_last_bit() -> None:
    frame, violations = check({}, {"active": None, "fee": "-0.0"})
    assert violations == []
    assert frame["fee"].to_list() == [29.85, 0.0]
    assert str(frame["fee"][1]) == "0.0"
    assert frame["active"].to_list() == [True, None]
    assert frame.schema["since"] == pl.Date


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("fee", "-3"), ("fee", "abc"), ("fee", "NaN"), ("fee", "inf"), ("fee", "1e309"),
        ("fee", None), ("fee", " 1"),
        ("fee", "1,5"),
        ("months", "9223372036854775808"), ("months", "1.0"), ("months", "101"), ("months", None),
        ("active", "yes"), ("active", "1"), ("active", "TRUE"), ("active", "true"),
        ("plan", "c"), ("plan", None),
        ("since", "31-01-2024"), ("since", "2024-31-01"), ("since", "2024-02-30"),
        ("since", "0000-01-01"), ("since", "2023-02-29"),
        ("user_id", "12345678901"), ("user_id", None), ("plan", "a\0"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_once(column: str, cell: str | None) -> None:
    assert check({}, {column: cell}, {})[1] == [(column, 1)]


def test_all_violations_are_reported_at_once() -> None:
    assert check({"fee": "-1", "plan": "z"}, {}, {"months": "x"})[1] == [
        ("fee", 0),
        ("plan", 0),
        ("months", 2),
    ]


def test_every_row_of_a_repeated_key_is_named() -> None:
    keys = pl.DataFrame({"user_id": ["same", "u1", None, "same", None], "row": [0, 1, 3, 4, 5]})
    assert [(v.row, v.key) for v in find_repeated_keys(keys, key="user_id", table="t")] == [
        (0, "same"),
        (4, "same"),
    ]


@given(st.floats(min_value=0, allow_infinity=False))
def test_a_float_survives_its_shortest_text(value: float) -> None:
    frame, violations = check({"fee": repr(value)})
    assert violations == []
    assert frame["fee"][0] == value


def test_headers() -> None:
    found = find_header_violations(
        "t", ["user_id", "fee", "fee", "x"], ["user_id", "fee", "months"]
    )
    assert [(v.column, v.got) for v in found] == [
        ("fee", "2 times"),
        ("months", None),
        ("x", "'x'"),
    ]


def test_keys_of_all_files_belong_together() -> None:
    catalog = load_catalog(None)
    frames = {
        "users": pl.DataFrame({"user_id": ["a", "b"], "row": [0, 1]}),
        "subscriptions": pl.DataFrame({"user_id": ["a", "c"], "row": [0, 1]}),
        "labels": pl.DataFrame({"user_id": ["a"], "row": [0]}),
    }
    found = check_keys_across_files(frames, catalog)
    assert [(v.table, v.row, v.got) for v in found] == [
        ("subscriptions", 1, "'c'"),
        ("subscriptions", None, "none for 'b'"),
    ]
