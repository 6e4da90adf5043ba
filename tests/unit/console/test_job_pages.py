"""The page of a job shows what its receipt says."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from streamflow.console.exports import ExportFolder
from streamflow.console.job_pages import _live_page
from streamflow.console.jobs import Job, JobOrder
from streamflow.console.table_rows import draw_rows
from streamflow.console.tables import write_csv
from streamflow.console.texts import load_texts
from streamflow.core.statistics.shapley import NOT_EXPLAINED, explain_change
from streamflow.receipt import to_json

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_comparison_shows_each_share_under_its_cause(tmp_path: Path) -> None:
    """A rebuild that is not exact leaves a part of some metrics unexplained, and not of others."""
    labels = frozenset({"labels"})
    explained = explain_change(
        "f1", 0.5, 0.25, {frozenset(): 0.5, labels: 0.25}, remainder_cause=NOT_EXPLAINED
    )
    unexplained = explain_change(
        "auc", 0.75, 0.25, {frozenset(): 0.75, labels: 0.5}, remainder_cause=NOT_EXPLAINED
    )
    for metrics in ([unexplained, explained], [explained, unexplained]):
        receipt = {
            "a": {"version": 1},
            "b": {"version": 2},
            "metrics": metrics,
            "levels": [],
        }
        order = JobOrder(kind="compare", arguments={}, subject="versions 1 and 2", who="")
        job = Job(order=order, started_at=NOW, ended_at=NOW, receipt=json.loads(to_json(receipt)))
        causes = _live_page(load_texts(), job, ExportFolder(tmp_path)).tables[0]
        assert "−0.2500" in draw_rows(load_texts(), causes, NOW)
        rows = {row["metric"]: row for row in csv.DictReader(StringIO(write_csv(causes)))}
        shares = {name: (row["labels"], row[NOT_EXPLAINED]) for name, row in rows.items()}
        assert shares == {"auc": ("-0.25", "-0.25"), "f1": ("-0.25", "")}
