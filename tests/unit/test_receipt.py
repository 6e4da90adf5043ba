"""How a notebook shows a receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from streamflow.receipt import MAX_ENTRIES, Receipt, to_json


@dataclass(frozen=True, kw_only=True)
class Gate:
    name: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Sentence:
    text: str

    def __str__(self) -> str:
        return f"in words: {self.text}"


@dataclass(frozen=True, kw_only=True)
class SmallReceipt(Receipt):
    value: Any = None
    numbers: Mapping[str, float] = field(default_factory=dict)


def shown(value: object) -> str:
    """Return the HTML of a receipt with this value, without the attributes of style."""
    html = SmallReceipt(value=value)._repr_html_()
    return html.replace(" style='text-align:left'", "")


def test_the_class_and_the_fields_are_named_in_words() -> None:
    html = SmallReceipt(numbers={"auc_low": 0.123456789})._repr_html_()
    assert "<caption><b>Small receipt</b></caption>" in html
    assert "auc low" in html
    assert ">0.123457<" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (7043, "7043"),
        (0.25, "0.25"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, tzinfo=UTC), "2024-01-31"),
        (datetime(2024, 1, 31, 12, 30, tzinfo=UTC), "2024-01-31 12:30:00+00:00"),
        (("first", "second"), "first<br>second"),
        (Sentence(text="fee"), "in words: fee"),
    ],
)
def test_a_value_is_shown_as_text(value: object, text: str) -> None:
    assert f"<tr><th>value</th><td>{text}</td></tr>" in shown(value)


@pytest.mark.parametrize("value", [None, "", (), {}])
def test_what_is_empty_is_left_out(value: object) -> None:
    assert "<th>value</th>" not in shown(value)


@pytest.mark.parametrize(
    "value",
    [
        "<script>",
        ("<script>",),
        {"<script>": "<script>"},
        Sentence(text="<script>"),
        Gate(name="<script>", passed=True),
        (Gate(name="<script>", passed=True),),
    ],
)
def test_no_value_is_markup(value: object) -> None:
    html = shown(value)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_values_of_one_class_are_one_table() -> None:
    gates = (Gate(name="auc", passed=True), Gate(name="rows", passed=False))
    assert (
        "<details open><summary>2 × Gate</summary><table><tr><th>name</th><th>passed</th></tr>"
        "<tr><td>auc</td><td>yes</td></tr><tr><td>rows</td><td>no</td></tr></table></details>"
    ) in shown(gates)


def test_deep_values_are_folded_in() -> None:
    html = shown({"inner": {"deep": 1}})
    assert "<details open><summary>1 entry</summary>" in html
    assert "<details><summary>1 entry</summary>" in html


def test_a_long_list_says_how_much_is_left_out() -> None:
    html = shown(tuple(f"line {number}" for number in range(MAX_ENTRIES + 5)))
    assert f"line {MAX_ENTRIES - 1}" in html
    assert f"line {MAX_ENTRIES}<" not in html
    assert "and 5 more" in html


def test_json_has_no_number_that_json_does_not_know() -> None:
    values = {"a": float("nan"), "b": [float("-inf"), 0.1 + 0.2], "c": "NaN Infinity"}
    text = to_json(SmallReceipt(value=values))
    assert json.loads(text)["value"] == {"a": None, "b": [None, 0.1 + 0.2], "c": "NaN Infinity"}


def test_a_frame_shows_itself() -> None:
    assert "monthly_fee" in shown(pl.DataFrame({"monthly_fee": [1.0]}))
