"""What a receipt and a link look like in Prefect."""

from __future__ import annotations

import json
import logging
from datetime import date

import pytest

from streamflow import flow_artifacts
from streamflow.flow_artifacts import flatten_receipt, version_page
from streamflow.settings import Settings
from streamflow.steps.data.ingest import IngestReceipt
from streamflow.warehouse.drops import DeliveredFile

RECEIPT = IngestReceipt(
    as_of=date(2024, 1, 31),
    files=(DeliveredFile(table="users", file="users.csv", sha256="ab", rows=3),),
    rejected=0,
    changed=True,
    warnings=("the keys 'Zoe' and 'zoe' look alike",),
)


def test_a_receipt_is_a_table_of_plain_values_without_keys_of_users() -> None:
    table = dict(flatten_receipt(RECEIPT))
    assert table == {
        "as_of": "2024-01-31",
        "files.1.table": "users",
        "files.1.file": "users.csv",
        "files.1.sha256": "ab",
        "files.1.rows": 3,
        "files.1.reading": "",
        "rejected": 0,
        "changed": True,
        "erased": 0,
        "warnings": 1,
    }


def test_numbers_that_json_does_not_know_are_text() -> None:
    table = dict(flatten_receipt({"auc": float("nan"), "gain": float("inf"), "why": None}))
    assert json.loads(json.dumps(table, allow_nan=False)) == {
        "auc": "nan",
        "gain": "inf",
        "why": "",
    }


@pytest.mark.parametrize(
    ("values", "page"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"mlflow_port": 5501}, "http://127.0.0.1:5501"),
        ({"mlflow_tracking_uri": "https://mlflow.example"}, "https://mlflow.example"),
        ({"mlflow_tracking_uri": "postgresql://h/mlflow"}, "http://127.0.0.1:5000"),
        (
            {"mlflow_tracking_uri": "http://mlflow:5000", "mlflow_page": "http://localhost:5001/"},
            "http://localhost:5001",
        ),
    ],
)
def test_a_link_begins_where_people_open_mlflow(values: dict[str, object], page: str) -> None:
    settings = Settings.model_validate(values)
    link = version_page(settings, "churn of shops", 3)
    assert link == f"{page}/#/models/churn%20of%20shops/versions/3"


def test_an_artifact_that_cannot_be_published_is_a_warning_in_the_log_of_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a server there is no run, so the log of the run is that of the test."""
    monkeypatch.setattr(flow_artifacts, "get_run_logger", lambda: logging.getLogger("run"))
    with flow_artifacts.only_warned():
        raise ConnectionError("Prefect's server is away")
    [warning] = caplog.records
    assert (warning.levelname, warning.getMessage()) == (
        "WARNING",
        "An artifact of the run was not published.",
    )
    assert "Prefect's server is away" in caplog.text
