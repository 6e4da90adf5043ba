"""A segment column may have the name of one of our own tables or columns."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest

from streamflow.console.customer_tables import PORTFOLIO_TABLES, risk_table, segment_table
from streamflow.console.tables import write_csv
from streamflow.console.texts import load_texts
from streamflow.core.serving.segments import SegmentColumn
from streamflow.steps.serving.at_risk import RiskFilter, RiskList, UserAtRisk
from streamflow.steps.serving.portfolio import Category, Portfolio, Segment

UNKNOWN: Any = None


def read_csv(text: str) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(StringIO(text))
    rows = list(reader)
    return list(reader.fieldnames or ()), rows


@pytest.mark.parametrize("name", ["trend", "cohorts", "users", "expected_share", "plan"])
def test_a_segment_of_the_portfolio_has_a_table_and_a_column_of_its_own(name: str) -> None:
    category = Category(
        value="gold", users=3, answered=3, expected=1.5, expected_share=0.5,
        value_at_risk=None, flagged=0, shares=(),
    )  # fmt: skip
    segment = Segment(name=name, label=name, categories=(category,))
    portfolio = Portfolio(
        trust=UNKNOWN, kept_value=None, expected=1.5, expected_share=0.5, value_at_risk=None,
        flagged=0, tenure=None, segments=(segment,), trend=(),
    )  # fmt: skip
    table = segment_table(load_texts(), portfolio, segment, is_bool=False)
    assert table.name not in PORTFOLIO_TABLES
    names, [row] = read_csv(write_csv(table))
    assert len(names) == len(set(names))
    assert (row[names[0]], row["users"], row["expected_share"]) == ("gold", "3", "0.5")
    assert table.rows[0][0].link == f"/at-risk?s.{name}=gold"


@pytest.mark.parametrize("name", ["user", "change", "reasons", "probability", "plan"])
def test_a_segment_does_not_hide_a_column_of_the_list(name: str) -> None:
    user = UserAtRisk(
        key="a", probability=0.75, value_at_risk=None, flagged=True, earlier=0.5, change=0.25,
        move="up", reasons=(), segments={name: "gold"}, defaulted=None, features_as_of=None,
    )  # fmt: skip
    risks = RiskList(
        trust=UNKNOWN, compared_as_of=None, compared_version=None, explained=False,
        kept_value=None, filter=RiskFilter(), users=(user,), next=None, is_search_ended=True,
    )  # fmt: skip
    column = SegmentColumn(table="t", name=name, label=name, values=("gold",))
    names, [row] = read_csv(write_csv(risk_table(load_texts(), risks, [column])))
    assert len(names) == len(set(names))
    assert (row["user"], row["probability"], row["change"]) == ("a", "0.75", "0.25")
    assert row[names[-1]] == "gold"
