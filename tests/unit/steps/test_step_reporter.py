"""An error of the observer changes neither the result of a step nor its error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamflow.errors import SnapshotMissing
from streamflow.steps.lineage.observer import StepReporter
from streamflow.steps.observed import observed


def read_broken_clock() -> datetime:
    raise ZeroDivisionError


def read_fixed_clock() -> datetime:
    return datetime(2024, 3, 1, tzinfo=UTC)


def make_platform(reporter: StepReporter, file: Path, **settings: object) -> Any:
    """Return what the observer uses of a platform; there is no database."""
    notes: list[str] = []
    named = {"lineage_file": file, "lineage_url": None, "lineage_api_key": None}
    defaults = {"lineage_namespace": "streamflow", "webhook_url": None}
    return SimpleNamespace(
        settings=SimpleNamespace(**named, **{**defaults, **settings}),
        catalog=SimpleNamespace(model="churn"),
        observer=reporter,
        notes=notes,
        notify=notes.append,
    )


@observed("prune")
def count_rows(_: Any) -> int:
    return 3  # the receipt of `prune` is expected, so it cannot be described


@observed("prune")
def fail(_: Any) -> None:
    raise SnapshotMissing("no snapshot")


def test_a_receipt_that_cannot_be_described_is_returned(tmp_path: Path) -> None:
    file = tmp_path / "lineage.jsonl"
    # There is no database, so the webhooks cannot be delivered either.
    platform = make_platform(StepReporter(read_fixed_clock), file, webhook_url="http://127.0.0.1:9")
    assert count_rows(platform) == 3
    assert platform.notes == [
        "lineage of prune names no datasets: AttributeError",
        "webhooks are not delivered: AttributeError",
    ]
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]


def test_an_event_that_cannot_be_made_hides_no_result_and_no_error(tmp_path: Path) -> None:
    platform = make_platform(StepReporter(read_broken_clock), tmp_path / "lineage.jsonl")
    assert count_rows(platform) == 3
    with pytest.raises(SnapshotMissing):
        fail(platform)
    assert platform.notes.count("lineage of churn.prune is not written: ZeroDivisionError") == 4
