"""The evidence of the gate as tables: each condition, and both versions side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamflow.console import formats
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts

METRIC_DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class GateView:
    """The evidence of the gate, ready to be shown.

    conditions  the table of the conditions
    compared    the table of both versions, metric by metric
    rows        on which rows they were compared, in a sentence; empty: they were not compared
    remarks     sentences about whom the challenger flags
    """

    conditions: PageTable
    compared: PageTable
    rows: str
    remarks: tuple[str, ...]


def view_stored_evidence(texts: Texts, evidence: str) -> GateView | None:
    """Show the evidence of an entry of the ledger; None: the entry has none."""
    return view_evidence(texts, json.loads(evidence)) if evidence else None


def view_evidence(texts: Texts, evidence: Mapping[str, Any]) -> GateView:
    """Show the evidence of an examination, as the ledger stores it."""
    return GateView(
        conditions=_make_conditions(texts, evidence),
        compared=_make_comparison(texts, evidence),
        rows=_describe_rows(texts, evidence.get("rows") or {}),
        remarks=tuple(evidence.get("remarks") or ()),
    )


def _make_conditions(texts: Texts, evidence: Mapping[str, Any]) -> PageTable:
    columns = (
        PageColumn(name="condition", title=texts.get("gate.condition")),
        PageColumn(name="passed", title=texts.get("gate.passed")),
        PageColumn(name="evidence", title=texts.get("gate.evidence")),
    )
    rows = []
    for gate in evidence.get("gates") or ():
        passed = bool(gate["passed"])
        word = texts.get("gate.yes" if passed else "gate.no")
        mark = Cell(passed, word, tone="down" if passed else "up")
        rows.append((Cell(gate["name"]), mark, Cell(gate["evidence"])))
    caption = texts.get("gate.conditions")
    return PageTable(name="gate", caption=caption, columns=columns, rows=tuple(rows))


def _make_comparison(texts: Texts, evidence: Mapping[str, Any]) -> PageTable:
    champion = evidence.get("champion")
    titles = {
        "champion": texts.get("gate.champion", version=champion or formats.NOTHING),
        "challenger": texts.get("gate.challenger", version=evidence.get("challenger")),
        "difference": texts.get("gate.difference"),
        "low": texts.get("gate.low"),
        "high": texts.get("gate.high"),
    }
    columns = [PageColumn(name="metric", title=texts.get("gate.metric"))]
    columns += [PageColumn(name=name, title=title, kind="number") for name, title in titles.items()]
    rows = []
    for metric in evidence.get("compared") or ():
        numbers = [metric_cell(metric[name]) for name in titles]
        rows.append((Cell(metric["metric"]), *numbers))
    caption = texts.get("gate.compared")
    return PageTable(name="comparison", caption=caption, columns=tuple(columns), rows=tuple(rows))


def metric_cell(value: float | None) -> Cell:
    """Make the cell of a metric, with four decimals."""
    return Cell(value, formats.format_number(value, METRIC_DECIMALS))


def _describe_rows(texts: Texts, rows: Mapping[str, Any]) -> str:
    if not rows:
        return ""
    return texts.get(
        "gate.rows",
        rows=formats.format_number(rows["rows"]),
        positives=formats.format_number(rows["positives"]),
        day=str(rows["as_of"])[:10],
        label_day=str(rows["label_as_of"])[:10],
    )
